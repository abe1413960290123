import ArgumentParser
import FlattenConfig
import FlattenFiles
import FlattenVision

/// Which objects are reported, and how they are looked for.
struct ObjectOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      Report objects of a higher score than this, 0 to 1; default: 0.6 with the built-in model, else \
      0.3. Results for scoring keep the config's own where it is left out.
      """, valueName: "number"))
  var score: Double?

  @Option(
    help: ArgumentHelp("Report these classes only, several with commas.", valueName: "names"))
  var classes: [String] = []

  @Option(
    help: ArgumentHelp("The most objects of a picture; default: the config's.", valueName: "count"))
  var max: Int?

  @Option(
    help: ArgumentHelp(
      """
      Of two boxes of a class that overlap by more than this, intersection over union, the better one \
      is kept; default: the config's.
      """, valueName: "number"))
  var nms: Double?

  @Flag(help: "Compare boxes of different classes too: one thing is then found as one class.")
  var classAgnosticNms = false

  @Option(
    help: ArgumentHelp(
      "Look into tiles of this size as well, for small things in large pictures.",
      valueName: "HxW"))
  var tile: SizeArgument?

  @Option(
    help: ArgumentHelp(
      """
      The part of a tile that it shares with the next, 0 to 0.9; what fits into it is never cut. \
      Default: 0.25.
      """, valueName: "number"))
  var overlap: Double?

  @Flag(inversion: .prefixedNo, help: "Make masks where the model draws them.")
  var masks = true

  func validate() throws {
    func require(_ value: Double?, _ name: String, upTo most: Double = 1) throws {
      guard let value, !(0...most).contains(value) else { return }
      throw ValidationError(
        "--\(name) is \(value), a number from 0 to \(most == 1 ? "1" : "\(most)") is wanted.")
    }
    try require(score, "score")
    try require(nms, "nms")
    try require(overlap, "overlap", upTo: 0.9)
    if let max, !(1...10_000).contains(max) {
      throw ValidationError("--max is \(max), a number from 1 to 10000 is wanted.")
    }
    if overlap != nil && tile == nil { throw ValidationError("--overlap belongs to --tile.") }
    if let tile, min(tile.size.height, tile.size.width) < 32 {
      throw ValidationError("--tile is \(tile), at least 32x32 is wanted.")
    }
  }

  /// What people see where no score is asked for: objects of a higher one than this.
  ///
  /// - Parameter isBuiltIn: whether the model is the built-in one.
  static func shownScore(_ isBuiltIn: Bool) -> Double { isBuiltIn ? 0.6 : 0.3 }

  /// The options over a config's own.
  ///
  /// - Parameter score: the score that is asked for; `nil` for the config's.
  func options(for classes: [String], score: Float?) throws -> Detector.Options {
    var options = Detector.Options()
    options.score = score
    options.labels = try labels(among: classes)
    options.most = max
    options.overlap = nms.map { Float($0) }
    options.isClassAgnostic = classAgnosticNms
    options.makesMasks = masks
    options.tiles = tile.map { Tiling(size: $0.size, overlap: overlap ?? 0.25) }
    return options
  }

  /// The classes that are asked for; `nil` for all.
  private func labels(among known: [String]) throws -> Set<Int>? {
    let wanted = classes.flatMap { $0.split(separator: ",") }
      .map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
    guard !classes.isEmpty else { return nil }
    if wanted.isEmpty { throw RequestError("--classes names no class.") }
    return Set(
      try wanted.map { name in
        if let label = known.firstIndex(of: name) { return label }
        let lower = name.lowercased()
        if let label = known.firstIndex(where: { $0.lowercased() == lower }) { return label }
        let near = nearestSpelling(to: name, among: known)
        let some = known.prefix(8).joined(separator: ", ") + (known.count > 8 ? ", ..." : "")
        throw RequestError(
          "--classes names '\(printable(name))', which this model does not know. "
            + (near.map { "Did you mean '\(printable($0))'?" }
              ?? "It knows \(printable(some, limit: 200))."))
      })
  }
}
