import FlattenRegions
import ArgumentParser
import FlattenFiles
import FlattenInspection
import FlattenVision
import Foundation

struct AttentionCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "attention",
    abstract: "Draw where a token of a picture looks, and count the rank of its attention.",
    discussion: """
      Examples:
        flatten-seg attention street.jpg --stage 1 --point 240,200
        flatten-seg attention cat.jpg --config model.yaml --weights model.pth \\
          --stage 0 --block 1 --head 0 --json

      Writes <name>.attention.png: the attention's row of the token, the depthwise
      convolution's weights around it, and their sum, over the picture, from black
      over red to pale yellow. Where a weight of the attention is below zero, the
      scale is one of two colours: black at 0, red to yellow above, blue below, to the
      same magnitude on both sides.

      Prints its path; where the scale has two colours 'scale' and its ends; then a
      line a head: head, rank of the matrix, rank with the depthwise term, rows x
      columns. What stands in a line is separated by tabs.
      """)

  @Argument(
    help: ArgumentHelp("A picture (JPEG, PNG), or - for standard input."), completion: .picture)
  var picture: String

  @OptionGroup(title: "Picture") var decoding: DecodingArguments
  @OptionGroup(title: "Model") var model: ModelOptions

  @Option(help: ArgumentHelp("The stage, counted from 0.", valueName: "number"))
  var stage = 0

  @Option(help: ArgumentHelp("The block of the stage, counted from 0.", valueName: "number"))
  var block = 0

  @Option(
    help: ArgumentHelp(
      "The pixel whose token looks, from the left and the top; default: the middle.",
      valueName: "x,y"))
  var point: PointArgument?

  @Option(
    help: ArgumentHelp(
      "The head, counted from 0; default: the mean over all.", valueName: "number"))
  var head: Int?

  @Option(
    help: ArgumentHelp(
      "The channel of a head whose depthwise kernel is taken, counted from 0.",
      valueName: "number"))
  var channel = 0

  @Option(
    name: .shortAndLong,
    help: ArgumentHelp(
      "Folder of the result; also a .png or .jpg file, or - for standard output.",
      valueName: "path"), completion: .file())
  var output = "output"

  @Option(
    help: ArgumentHelp(
      "Write the weights: float32 [2, heads, rows, columns], attention and depthwise term.",
      valueName: "file.npy"), completion: .file(extensions: ["npy"]))
  var matrix: String?

  @Flag(inversion: .prefixedNo, help: "Count the rank, which may take some seconds.")
  var rank = true

  @Flag(help: "Print one JSON object: files, token, grid, scales, ranks.")
  var json = false

  @Flag(help: "Replace results that exist.")
  var overwrite = false

  @OptionGroup var reporting: ReportingOptions

  func validate() throws {
    try model.requireConfig()
    if output == "-" && json {
      throw ValidationError("With --output - standard output holds the drawing and nothing else.")
    }
    if output.isEmpty { throw ValidationError("--output is empty. Name a folder.") }
  }

  func run() throws {
    try ResultPath.requireFolderName(output, besideFiles: [.png, .jpeg])
    if let matrix { try ResultPath.requireName(matrix, of: [.npy]) }
    let source = try PictureList([picture], lists: [], isRecursive: false).onlyPicture(picture)
    let outputs = AttentionOutputs(
      picture: source, output: output, matrix: matrix, mayReplace: overwrite)
    try outputs.check()
    let viewer = AttentionViewer(try model.load(model.configuration()))
    if reporting.verbose { Output.error(viewer.summary) }
    let decoded = try source.decode(limits: decoding.limits, exif: decoding.exif)
    if !reporting.quiet { decoded.warnings.forEach(Output.warning) }
    let map = try viewer.attention(of: decoded.value, query)
    if !reporting.quiet {
      try viewer.sizeWarning(for: decoded.value.size).map(Output.warning)
    }
    let files = try outputs.write(map)
    if json { return Output.line(document(map, files).text()) }
    if output == "-" { return }
    files.forEach { Output.line(printable($0, limit: .max)) }
    if let scale = map.panels.first, scale.isSigned {
      Output.line(String(format: "scale\t%.3g\t%.3g", -scale.limit, scale.limit))
    }
    for rank in map.ranks {
      let restored = rank.withDepthwise.map(String.init) ?? "-"
      Output.line("\(rank.head)\t\(rank.attention)\t\(restored)\t\(rank.rows)x\(rank.columns)")
    }
  }
}

extension AttentionCommand {
  private var query: AttentionQuery {
    var query = AttentionQuery()
    query.stage = stage
    query.block = block
    query.point = point.map { ($0.x, $0.y) }
    query.head = head
    query.channel = channel
    query.wantsRank = rank
    return query
  }

  private func document(_ map: AttentionMap, _ files: [String]) -> OrderedJSON {
    func size(_ size: PixelSize) -> OrderedJSON {
      .object([("rows", .integer(size.height)), ("columns", .integer(size.width))])
    }
    return .object([
      ("input", .string(picture)),
      ("files", .array(files.map { .string($0) })),
      ("model", .string(map.model)),
      ("stage", .integer(stage)),
      ("block", .integer(block)),
      ("attention", .string(map.kind.rawValue)),
      ("heads", .integer(map.heads)),
      ("head_channels", .integer(map.width)),
      ("head", head.map { .integer($0) } ?? .null),
      ("channel", .integer(channel)),
      ("point", .object([("x", .integer(map.point.x)), ("y", .integer(map.point.y))])),
      ("tokens", size(map.grid)),
      ("keys", size(map.keyGrid)),
      (
        "token",
        .object([("row", .integer(map.token.row)), ("column", .integer(map.token.column))])
      ),
      (
        "weights",
        .array(
          map.weights.map { weights in
            .object([
              ("head", .integer(weights.head)),
              ("largest", .number(weights.attention.max() ?? 0)),
              ("smallest", .number(weights.attention.min() ?? 0)),
              ("elsewhere", .number(weights.elsewhere)),
            ])
          })
      ),
      (
        "scales",
        .array(
          map.panels.map { panel in
            .object([
              ("panel", .string(panel.part.rawValue)),
              ("signed", .bool(panel.isSigned)),
              ("from", .number(panel.isSigned ? -panel.limit : 0)),
              ("to", .number(panel.limit)),
            ])
          })
      ),
      ("rank_epsilon", .number(AttentionRank.epsilon)),
      (
        "ranks",
        .array(
          map.ranks.map { rank in
            .object([
              ("head", .integer(rank.head)),
              ("rows", .integer(rank.rows)),
              ("columns", .integer(rank.columns)),
              ("whole", .bool(rank.isWhole)),
              ("rank", .integer(rank.attention)),
              ("rank_with_depthwise", rank.withDepthwise.map { .integer($0) } ?? .null),
            ])
          })
      ),
    ])
  }
}

extension PictureList {
  /// The one picture that is named.
  ///
  /// - Parameter input: what was named.
  fileprivate func onlyPicture(_ input: String) throws -> PictureSource {
    try requirePictures([input])
    guard sources.count == 1 else {
      throw RequestError(
        "'\(printable(input, limit: 400))' holds \(counted(sources.count, "picture")), one is wanted."
      )
    }
    return sources[0]
  }
}

/// A pixel on the command line: `240,180`, from the left first.
struct PointArgument: ExpressibleByArgument, CustomStringConvertible {
  let x: Int
  let y: Int

  init?(argument: String) {
    let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
    let numbers = parts.compactMap { Int($0) }
    guard numbers.count == 2, parts.count == 2 else { return nil }
    (x, y) = (numbers[0], numbers[1])
  }

  var description: String { "\(x),\(y)" }
}
