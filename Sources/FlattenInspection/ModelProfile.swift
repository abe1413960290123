import FlattenCheckpoint
import FlattenModels
import FlattenRegions
import FlattenTensor

/// What a model is made of and what it costs at a given input size.
package struct ModelProfile: Sendable {
  /// One operator of the forward pass, as for inference.
  package struct Layer: Sendable {
    /// Its layer's path in the checkpoint; several with ` + ` between them where it computes them all.
    package let name: String
    /// What it does: `linear`, `convolution`, ...
    package let kind: String
    /// The output, batch first, channels last.
    package let shape: [Int]
    /// Parameters that belong to it.
    package let parameters: Int
    /// Multiply-accumulate operations.
    package let macs: Int
  }

  /// The operators in the order they run.
  package let layers: [Layer]
  /// All parameters of the model, used by an operator or not.
  package let parameters: Int
  /// The input's size.
  package let size: PixelSize

  /// Multiply-accumulate operations of one picture.
  package var macs: Int { layers.reduce(0) { $0 + $1.macs } }

  /// Counts without weights and without computing anything.
  ///
  /// - Parameters:
  ///   - type: the task's model.
  ///   - configuration: its config's `model` section.
  ///   - size: of the network's input; both sides at least 32.
  package init<Model: TaskModel>(
    of type: Model.Type, _ configuration: Model.Configuration, size: PixelSize
  ) throws {
    let tree = ParameterTree.shapesOnly()
    let model = try Model.load(configuration, from: tree.root)
    self.init(Self.records(size) { _ = model($0, $1) }, tree, size: size)
  }

  private init(_ records: [OperatorRecord], _ tree: ParameterTree, size: PixelSize) {
    let owners = Self.owners(of: tree.requested, among: records.flatMap(\.layers))
    var counted: Set<String> = []
    layers = records.map { record in
      let parameters = record.layers.reduce(0) { sum, layer in
        counted.insert(layer).inserted ? sum + (owners[layer] ?? 0) : sum
      }
      return Layer(
        name: record.name, kind: record.kind.rawValue, shape: Array(record.shape),
        parameters: parameters, macs: record.macs)
    }
    parameters = tree.parameterCount
    self.size = size
  }

  /// How many parameters belong to each operator, by its path.
  ///
  /// A parameter belongs to the operator with the longest path that its name begins with or, where its
  /// layer is no operator itself (an attention's scale), to the layer's first operator that has no
  /// parameters of its own.
  private static func owners(
    of parameters: [(name: String, shape: [Int])], among paths: [String]
  ) -> [String: Int] {
    let known = Set(paths)
    let layers = Set(
      parameters.compactMap { parameter in
        parameter.name.lastIndex(of: ".").map { String(parameter.name[..<$0]) }
      })
    /// Whether an operator is a layer with parameters, or a part of one that lies deeper than `scope`.
    func belongsToALayer(_ path: String, below scope: Substring) -> Bool {
      guard let dot = path.lastIndex(of: ".") else { return layers.contains(path) }
      return layers.contains(path) || path[...dot] != scope && layers.contains(String(path[..<dot]))
    }
    var owners: [String: Int] = [:]
    for (name, shape) in parameters where !name.isRunningStatistic {
      var path = name
      while !known.contains(path), let dot = path.lastIndex(of: ".") { path = String(path[..<dot]) }
      if !known.contains(path), let dot = name.lastIndex(of: ".") {
        let layer = name[...dot]
        path = paths.first { $0.hasPrefix(layer) && !belongsToALayer($0, below: layer) } ?? path
      }
      owners[path, default: 0] += shape.reduce(1, *)
    }
    return owners
  }

  /// The operators of a dry run.
  private static func records(
    _ size: PixelSize, of run: (Tensor, ForwardPass) -> Void
  ) -> [OperatorRecord] {
    let pass = ForwardPass(threads: ThreadPool(threads: 1), isDryRun: true)
    var records: [OperatorRecord] = []
    pass.observer = { if case .operation(let record, _) = $0 { records.append(record) } }
    run(Tensor(uninitialized: [1, size.height, size.width, 3], pool: pass.memory), pass)
    return records
  }
}

extension String {
  /// Whether a parameter's name is that of a batch norm's running mean or variance.
  fileprivate var isRunningStatistic: Bool {
    hasSuffix("running_mean") || hasSuffix("running_var")
  }
}
