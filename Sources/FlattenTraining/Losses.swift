import Foundation

/// A loss and its derivatives with respect to the predictions.
package struct Loss: Sendable {
  /// The losses of the elements, already weighted and divided: their sum is the loss.
  package let elements: [Double]
  /// The derivative of the sum with respect to each prediction.
  package let gradient: [Float]

  /// The sum.
  package var value: Double { elements.reduce(0, +) }
}

/// What a sum of losses is divided by.
package enum LossDivisor: Sendable {
  /// 1: losses are added up.
  case one
  /// The number of elements.
  case mean
  /// A number such as that of the objects; mmdetection adds the distance from 1 to the next single precision number.
  case factor(Double)

  func value(count: Int) -> Double {
    switch self {
    case .one: 1
    case .mean: Double(count)
    case .factor(let factor): factor + Double(Float.ulpOfOne)
    }
  }
}

/// The losses of detectors, with their derivatives (mmdetection's). Computed in double precision.
package enum Losses {
  /// Focal loss (Lin et al. 2017): of each class a binary cross-entropy that counts less the better it is.
  ///
  ///     p = sigmoid(x)      loss = -alpha (1 - p)^gamma ln p          for the label
  ///                         loss = -(1 - alpha) p^gamma ln (1 - p)    for all other classes
  ///
  /// - Parameters:
  ///   - predictions: `[rows, classes]`, logits.
  ///   - labels: one a row; `classes` is the background, to which no logit belongs.
  ///   - weights: one a row.
  package static func focal(
    _ predictions: [Float], classes: Int, labels: [Int], gamma: Double, alpha: Double,
    weights: [Float]? = nil, divisor: LossDivisor, scale: Double = 1
  ) -> Loss {
    elementwise(predictions, divisor: divisor, scale: scale) { index in
      let x = Double(predictions[index])
      let (p, q) = (sigmoid(x), sigmoid(-x))
      let weight = Double(weights?[index / classes] ?? 1)
      if labels[index / classes] == index % classes {
        let factor = weight * alpha * pow(q, gamma)
        return (factor * softplus(-x), factor * (-gamma * p * softplus(-x) - q))
      }
      let factor = weight * (1 - alpha) * pow(p, gamma)
      return (factor * softplus(x), factor * (gamma * q * softplus(x) + p))
    }
  }

  /// `|prediction - target|`; the derivative where they are equal is 0.
  ///
  /// - Parameter weights: one an element.
  package static func l1(
    _ predictions: [Float], targets: [Float], weights: [Float]? = nil, divisor: LossDivisor,
    scale: Double = 1
  ) -> Loss {
    elementwise(predictions, divisor: divisor, scale: scale) { index in
      let distance = Double(predictions[index] - targets[index])
      let weight = Double(weights?[index] ?? 1)
      return (weight * abs(distance), weight * sign(distance))
    }
  }

  /// L1 with a parabola around 0: `d^2 / (2 beta)` where `|d| < beta`, else `|d| - beta / 2`.
  ///
  /// - Parameter weights: one an element.
  package static func smoothL1(
    _ predictions: [Float], targets: [Float], beta: Double, weights: [Float]? = nil,
    divisor: LossDivisor, scale: Double = 1
  ) -> Loss {
    elementwise(predictions, divisor: divisor, scale: scale) { index in
      let distance = Double(predictions[index] - targets[index])
      let weight = Double(weights?[index] ?? 1)
      if abs(distance) < beta {
        return (weight * distance * distance / (2 * beta), weight * distance / beta)
      }
      return (weight * (abs(distance) - beta / 2), weight * sign(distance))
    }
  }

  /// Cross-entropy of a softmax: `ln(sum e^x) - x[label]`.
  ///
  /// - Parameters:
  ///   - predictions: `[rows, classes]`, logits.
  ///   - labels: one a row.
  ///   - weights: one a row.
  package static func softmaxCrossEntropy(
    _ predictions: [Float], classes: Int, labels: [Int], weights: [Float]? = nil,
    divisor: LossDivisor, scale: Double = 1
  ) -> Loss {
    let factor = scale / divisor.value(count: labels.count)
    var elements: [Double] = []
    var gradient: [Float] = []
    for (row, label) in labels.enumerated() {
      let x = predictions[row * classes..<(row + 1) * classes].map(Double.init)
      let weight = factor * Double(weights?[row] ?? 1)
      let largest = x.max() ?? 0
      let sum = x.reduce(0) { $0 + exp($1 - largest) }
      elements.append(weight * (log(sum) + largest - x[label]))
      for column in 0..<classes {
        gradient.append(
          Float(weight * (exp(x[column] - largest) / sum - (column == label ? 1 : 0))))
      }
    }
    return Loss(elements: elements, gradient: gradient)
  }

  /// Binary cross-entropy of a sigmoid for each class: `-ln p` for the label, `-ln (1 - p)` for all others.
  ///
  /// - Parameters:
  ///   - predictions: `[rows, classes]`, logits.
  ///   - labels: one a row; `classes` is the background. With the one logit of an RPN, 0 is an object.
  ///   - weights: one a row.
  package static func sigmoidCrossEntropy(
    _ predictions: [Float], classes: Int, labels: [Int], weights: [Float]? = nil,
    divisor: LossDivisor, scale: Double = 1
  ) -> Loss {
    elementwise(predictions, divisor: divisor, scale: scale) { index in
      let isLabel = labels[index / classes] == index % classes
      let (loss, slope) = crossEntropy(Double(predictions[index]), target: isLabel ? 1 : 0)
      let weight = Double(weights?[index / classes] ?? 1)
      return (weight * loss, weight * slope)
    }
  }

  /// Binary cross-entropy of masks: of each object the map of its class, the mean over all pixels.
  ///
  /// - Parameters:
  ///   - predictions: `[objects, classes, pixels]`, logits.
  ///   - labels: one an object.
  ///   - targets: `[objects, pixels]`, 0 to 1.
  /// - Returns: elements `[objects, pixels]`; the gradient is 0 in maps of other classes.
  package static func maskCrossEntropy(
    _ predictions: [Float], classes: Int, labels: [Int], targets: [Float], scale: Double = 1
  ) -> Loss {
    let pixels = targets.count / max(labels.count, 1)
    let factor = scale / Double(max(targets.count, 1))
    var elements: [Double] = []
    var gradient = [Float](repeating: 0, count: predictions.count)
    for (object, label) in labels.enumerated() {
      for pixel in 0..<pixels {
        let index = (object * classes + label) * pixels + pixel
        let (loss, slope) = crossEntropy(
          Double(predictions[index]), target: Double(targets[object * pixels + pixel]))
        elements.append(factor * loss)
        gradient[index] = Float(factor * slope)
      }
    }
    return Loss(elements: elements, gradient: gradient)
  }

  /// - Parameter body: the weighted loss and its derivative for an element.
  private static func elementwise(
    _ predictions: [Float], divisor: LossDivisor, scale: Double,
    _ body: (_ index: Int) -> (loss: Double, slope: Double)
  ) -> Loss {
    let factor = scale / divisor.value(count: predictions.count)
    var elements: [Double] = []
    var gradient: [Float] = []
    for index in predictions.indices {
      let (loss, slope) = body(index)
      elements.append(factor * loss)
      gradient.append(Float(factor * slope))
    }
    return Loss(elements: elements, gradient: gradient)
  }

  /// `-t ln p - (1 - t) ln (1 - p)` with `p = sigmoid(x)`.
  private static func crossEntropy(_ x: Double, target: Double) -> (loss: Double, slope: Double) {
    (target * softplus(-x) + (1 - target) * softplus(x), sigmoid(x) - target)
  }

  private static func sigmoid(_ x: Double) -> Double { 1 / (1 + exp(-x)) }

  /// `ln(1 + e^x)`, which is `-ln sigmoid(-x)`.
  private static func softplus(_ x: Double) -> Double { max(x, 0) + log1p(exp(-abs(x))) }

  private static func sign(_ x: Double) -> Double { x > 0 ? 1 : x < 0 ? -1 : 0 }
}
