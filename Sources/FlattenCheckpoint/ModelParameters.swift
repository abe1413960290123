import FlattenTensor

/// Named parameters in memory, such as those of a model that is trained: read by name, changed, and a model
/// is built of them again.
public struct ModelParameters: Sendable {
  /// The names, in the order of the model's layers.
  public private(set) var names: [String]
  private var tensors: [String: Tensor]

  package init(_ parameters: [(name: String, tensor: Tensor)]) {
    names = parameters.map(\.name)
    tensors = Dictionary(parameters, uniquingKeysWith: { first, _ in first })
  }

  /// A parameter as the checkpoint has it; `nil` where there is none of that name.
  ///
  /// - Precondition: a new value has the old one's shape.
  public subscript(name: String) -> Tensor? {
    get { tensors[name] }
    set {
      precondition(
        newValue?.shape == tensors[name]?.shape,
        "'\(name)' is \(tensors[name]?.shape ?? []), not \(newValue?.shape ?? [])")
      tensors[name] = newValue
    }
  }

  /// Writes all of them as a safetensors file in float32, whole or not at all.
  ///
  /// - Throws: `FileError` where it cannot be written.
  public func write(to path: String) throws {
    let shapes = names.map { ($0, tensors[$0].map { Array($0.shape) } ?? []) }
    try SafetensorsWriter(precision: .float32, metadata: []).write(shapes, to: path) {
      name, _, buffer in
      tensors[name]?.withUnsafeBuffer { _ = buffer.update(fromContentsOf: $0) }
    }
  }

  /// What a model is built of.
  package var source: any ParameterSource { MemoryParameters(self) }
}

/// Parameters in memory as a checkpoint; none is copied.
private final class MemoryParameters: ParameterSource {
  let name = "parameters in memory"
  let parameterShapes: [(name: String, shape: [Int], isFloatingPoint: Bool)]
  private let parameters: ModelParameters

  init(_ parameters: ModelParameters) {
    self.parameters = parameters
    parameterShapes = parameters.names.compactMap { name in
      parameters[name].map { (name, Array($0.shape), true) }
    }
  }

  func tensor(_ name: String) -> Tensor? { parameters[name] }

  func read(_ name: String, into buffer: UnsafeMutableBufferPointer<Float>) throws {
    parameters[name]?.withUnsafeBuffer { _ = buffer.update(fromContentsOf: $0) }
  }
}
