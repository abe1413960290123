/// An event of a pass, as its observer is told.
package enum Observation {
  /// An operator has run; there is no output in a dry run.
  case operation(OperatorRecord, output: Tensor?)
  /// A tensor that the model has a name for: a map `[B, H, W, C]`, or tokens `[B, N, C]` of a grid, perhaps
  /// after a class token.
  case intermediate(name: String, Tensor, grid: (height: Int, width: Int))
  /// The operands of an attention. Not told where they are never whole in memory, which an attention for
  /// inference may have.
  case attention(AttentionRecord)
  /// A part of the model has run: several operators, or work that is no operator's. Its wall-clock time.
  case part(name: String, seconds: Double)
}

extension ForwardPass {
  /// Shows the observer tokens on their way through the model.
  ///
  /// - Parameters:
  ///   - x: `[B, N, C]`, perhaps with a class token before those of the grid.
  ///   - grid: rows and columns of the tokens.
  ///   - name: evaluated for an observer only.
  /// - Returns: the same tokens.
  @discardableResult
  package func observe(
    _ x: Tensor, grid: (height: Int, width: Int), as name: @autoclosure () -> String
  ) -> Tensor {
    if let observer, !isDryRun { observer(.intermediate(name: name(), x, grid: grid)) }
    return x
  }

  /// Shows the observer a map on its way through the model.
  ///
  /// - Parameters:
  ///   - x: `[B, H, W, C]`.
  ///   - name: evaluated for an observer only.
  /// - Returns: the same map.
  @discardableResult
  public func observe(_ x: Tensor, as name: @autoclosure () -> String) -> Tensor {
    guard observer != nil else { return x }
    let (_, height, width, _) = x.mapShape("an intermediate")
    return observe(x, grid: (height, width), as: name())
  }

  /// Shows the observer the operands of an attention.
  package func observe(attention record: @autoclosure () -> AttentionRecord) {
    if let observer, !isDryRun { observer(.attention(record())) }
  }

  /// Runs a part of the model and tells the observer how long it took.
  package func part<Result>(_ name: String, _ body: () -> Result) -> Result {
    guard let observer, !isDryRun else { return body() }
    let start = ContinuousClock.now
    let result = body()
    observer(.part(name: name, seconds: (ContinuousClock.now - start).seconds))
    return result
  }

  /// A residual connection, `x + branch`.
  ///
  /// For inference the branch adds x itself, in the same sweep as its last product. Otherwise the branch is
  /// computed and shown by itself, then added: the same bits.
  ///
  /// - Parameters:
  ///   - x: `[B, N, C]`.
  ///   - grid: rows and columns of the tokens.
  ///   - name: of the branch's own result; evaluated for an observer only.
  ///   - branch: computes the branch and adds what it is given, or nothing.
  package func residual(
    _ x: Tensor, grid: (height: Int, width: Int), as name: @autoclosure () -> String,
    _ branch: (_ residual: Tensor?) -> Tensor
  ) -> Tensor {
    if purpose == .inference { return branch(x) }
    return add(observe(branch(nil), grid: grid, as: name()), x, layer: "\(name()).sum")
  }
}
