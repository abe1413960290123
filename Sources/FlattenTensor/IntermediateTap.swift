/// Who wants which tensors from the inside of a model, by the names that the model gives them.
package struct IntermediateTap {
  /// The names that are wanted.
  package let names: Set<String>
  /// Called with each wanted tensor, in the order the pass makes them.
  package let take: (_ name: String, _ tensor: Tensor, _ grid: (height: Int, width: Int)) -> Void

  package init(
    _ names: Set<String>,
    take: @escaping (_ name: String, _ tensor: Tensor, _ grid: (height: Int, width: Int)) -> Void
  ) {
    self.names = names
    self.take = take
  }
}

extension ForwardPass {
  /// Whether somebody wants the tensor of that name, so that it must be made by itself.
  package func wants(_ name: @autoclosure () -> String) -> Bool {
    guard let tap, !isDryRun else { return false }
    return tap.names.contains(name())
  }

  /// Lets whoever asked for that name have tokens on their way through the model.
  ///
  /// - Parameters:
  ///   - x: `[B, N, C]`, perhaps with a class token before those of the grid.
  ///   - grid: rows and columns of the tokens.
  /// - Returns: the same tokens.
  package func handOut(
    _ x: Tensor, grid: (height: Int, width: Int), as name: @autoclosure () -> String
  ) -> Tensor {
    guard let tap, !isDryRun else { return x }
    let name = name()
    if tap.names.contains(name) { tap.take(name, x, grid) }
    return x
  }

  /// Lets whoever asked for that name have a map on its way through the model.
  ///
  /// - Parameters:
  ///   - x: `[B, H, W, C]`.
  ///   - name: not made unless somebody asks for anything.
  /// - Returns: the same map.
  @discardableResult
  public func handOut(_ x: Tensor, as name: @autoclosure () -> String) -> Tensor {
    guard tap != nil else { return x }
    let (_, height, width, _) = x.mapShape("an intermediate")
    return handOut(x, grid: (height, width), as: name())
  }
}
