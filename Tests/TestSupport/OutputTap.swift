import FlattenTensor

/// Keeps the outputs of named layers of a pass, so that a failure names the first layer to diverge.
package final class OutputTap {
  package private(set) var outputs: [String: Tensor] = [:]

  package init(_ pass: ForwardPass) {
    pass.onOutput = { [unowned self] name, tensor in outputs[name] = tensor }
  }
}
