import FlattenTensor

/// Keeps the outputs of named layers of a pass, so that a failure names the first layer to diverge, and the
/// operands of its attentions.
package final class OutputTap {
  package private(set) var outputs: [String: Tensor] = [:]
  package private(set) var attentions: [AttentionRecord] = []

  package init(_ pass: ForwardPass) {
    pass.observer = { [unowned self] observation in
      switch observation {
      case .operation(let record, let output): if let output { outputs[record.name] = output }
      case .attention(let record): attentions.append(record)
      case .intermediate, .part: break
      }
    }
  }
}
