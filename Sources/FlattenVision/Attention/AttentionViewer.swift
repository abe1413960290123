import FlattenBackbones
import FlattenImage
import FlattenInspection
import FlattenModels
import FlattenRegions
import FlattenTensor

/// Which token's attention is looked at.
public struct AttentionQuery: Sendable {
  /// The stage, counted from 0.
  public var stage = 0
  /// The block of the stage, counted from 0.
  public var block = 0
  /// The pixel of the picture whose token looks, from the left and from the top; `nil` takes the middle.
  public var point: (x: Int, y: Int)?
  /// The head, counted from 0; `nil` takes the mean over all.
  public var head: Int?
  /// The channel of a head whose depthwise kernel is taken, counted from 0.
  public var channel = 0
  /// Whether the matrix's rank is counted, which may take some seconds.
  public var wantsRank = true

  /// The first block, the middle of the picture, the mean over all heads.
  public init() {}
}

/// Shows where the tokens of a model look: a model of any task whose attentions are written down.
///
///     let viewer = AttentionViewer(try Segmenter.builtIn())
///     var query = AttentionQuery()
///     query.stage = 1
///     query.point = (x: 240, y: 180)
///     let map = try viewer.attention(of: picture, query)
///     try map.drawn().writePNG(to: "attention.png")
///
/// The network sees the whole picture, resized by the config's rule, also where the config says that it is
/// applied to sliding windows.
public struct AttentionViewer: Sendable {
  private let model: any VisionModel

  /// Loads a config of any task and its weights.
  ///
  /// - Parameters:
  ///   - config: path of a YAML config.
  ///   - weights: path of a `.pth` or `.safetensors` file, or of the index of several.
  ///   - container: the weights that are wanted where the file holds several, such as `model_ema`; `nil`
  ///     takes the usual ones.
  ///   - attentions: those that the config may ask for beside `focused` and `softmax`.
  ///   - threads: threads that compute; `nil` takes all available processors.
  ///   - precision: how weights and the left sides of products are stored.
  ///   - skipsUnknownObjects: whether objects of unknown classes beside the weights are left out
  ///     instead of refused; for files whose origin you trust.
  /// - Throws: an error that names the file, the key, what was found and what was expected.
  public static func load(
    config: String, weights: String, container: String? = nil,
    attentions: AttentionRegistry = AttentionRegistry(), threads: Int? = nil,
    precision: Precision = .float32, skipsUnknownObjects: Bool = false
  ) throws -> AttentionViewer {
    let configuration = try VisionTasks.configuration(path: config, attentions: attentions)
    return AttentionViewer(
      try configuration.load(
        weights: weights, container: container, threads: threads, precision: precision,
        skipsUnknownObjects: skipsUnknownObjects))
  }

  /// Looks into a segmentor.
  public init(_ segmenter: Segmenter) { model = segmenter }

  /// Looks into a classifier.
  public init(_ classifier: Classifier) { model = classifier }

  /// Looks into a model of any task.
  package init(_ model: any VisionModel) { self.model = model }

  /// What the model is called.
  public var name: String { model.name }

  /// Blocks of each stage.
  public var blocks: [Int] { model.blocks }

  /// Warnings from loading, such as weights that are not finite.
  public var warnings: [String] { model.warnings }

  /// What computes, in a few lines for people.
  public var summary: String { model.summary }

  /// Says where a token of a picture looks.
  ///
  /// - Throws: ``AttentionQueryError`` where the model or the picture has no such block, head, channel or
  ///   token, ``InferenceError`` where the attention is not finite or there is no memory.
  public func attention(of picture: Image, _ query: AttentionQuery) throws -> AttentionMap {
    try check(query, on: picture)
    let (records, frame) = try model.records(of: picture, query)
    guard !records.isEmpty else {
      throw AttentionQueryError.noMatrix(query.block, stage: query.stage)
    }
    guard records.allSatisfy({ $0.queries.isFinite && $0.keys.isFinite }) else {
      throw InferenceError.scoresNotFinite
    }
    guard let block = BlockAttention(records) else {
      preconditionFailure("stage \(query.stage), block \(query.block) reported no attention")
    }
    return try AttentionMap(block, query, of: picture, frame, model: name, threads: model.pool)
  }

  /// What to say where the network sees a far larger or smaller picture than those it was trained with.
  package func sizeWarning(for picture: PixelSize) throws -> String? {
    try model.sizeWarning(for: picture)
  }

  /// Refuses what needs no computing to be refused.
  package func check(_ query: AttentionQuery, on picture: Image) throws {
    let blocks = blocks
    guard blocks.indices.contains(query.stage) else {
      throw AttentionQueryError.stage(query.stage, count: blocks.count)
    }
    guard (0..<blocks[query.stage]).contains(query.block) else {
      throw AttentionQueryError.block(
        query.block, stage: query.stage, count: blocks[query.stage])
    }
    if let (x, y) = query.point,
      !(0..<picture.width).contains(x) || !(0..<picture.height).contains(y)
    {
      throw AttentionQueryError.point(
        x: x, y: y, picture.size)
    }
  }
}

extension VisionModel {
  fileprivate var blocks: [Int] { configuration.model.backbone.depths }

  fileprivate func sizeWarning(for picture: PixelSize) throws -> String? {
    try configuration.sizeWarning(seen: configuration.sizes(of: picture).resized)
  }

  fileprivate var pool: ThreadPool { loaded.threads }

  /// Runs the backbone and keeps the attention of one block: two records where it looks along columns and
  /// rows.
  fileprivate func records(
    of picture: Image, _ query: AttentionQuery
  ) throws -> (records: [AttentionRecord], frame: PictureFrame) {
    let size = try configuration.sizes(of: picture.size).input
    // The attention that is looked at stays when the pass goes on.
    let need = PictureNeed(
      runs: try loaded.memoryNeed(of: size, for: .inspection) / 4 * 5,
      results: 9 * picture.size.area,
      pictures: 2 * 3 * size.area)
    try loaded.makeRoom(need, for: picture.size)
    let prepared = try configuration.prepared(picture, memory: loaded.memory)
    let input = prepared.input
    let block = IntermediateNames.block(stage: query.stage, query.block)
    var isInside = false
    var records: [AttentionRecord] = []
    let pass = ForwardPass(
      threads: loaded.threads, memory: loaded.memory, purpose: .inspection)
    pass.observer = { observation in
      switch observation {
      // The attention of a block is computed between these two.
      case .intermediate("\(block).norm1", _, _): isInside = true
      case .intermediate("\(block).attn", _, _): isInside = false
      case .attention(let record) where isInside: records.append(record)
      default: break
      }
    }
    loaded.network.encode(input, pass)
    let frame = PictureFrame(
      picture, resizedTo: prepared.resizedTo, crop: prepared.crop,
      stride: loaded.network.backbone.featureInfo[query.stage].stride)
    return (records, frame)
  }
}

/// Where the cells of a map lie on a picture.
struct PictureFrame: Sendable {
  /// Cells from the left and from the top for a place on the picture.
  private let scale: (x: Double, y: Double)
  private let offset: (x: Double, y: Double)
  /// The part of the picture that the network sees, in cells.
  private let seen: (x: Range<Double>, y: Range<Double>)

  /// - Parameters:
  ///   - size: what the picture is resized to.
  ///   - crop: side of the square that is then cut out of the middle; `nil` keeps all.
  ///   - stride: pixels of the network's input a cell.
  init(_ picture: Image, resizedTo size: PixelSize, crop: Int? = nil, stride: Int) {
    let stride = Double(stride)
    func start(_ side: Int) -> Double {
      Double(crop.map { Image.centreCropStart(side, crop: $0) } ?? 0)
    }
    func range(_ side: Int) -> Range<Double> { 0..<Double(crop ?? side) / stride }
    scale = (
      Double(size.width) / Double(picture.width) / stride,
      Double(size.height) / Double(picture.height) / stride
    )
    offset = (start(size.width) / stride, start(size.height) / stride)
    seen = (range(size.width), range(size.height))
  }

  /// The column of the map at a place on the picture, in pixels from the left; `nil` where the network
  /// does not see the picture.
  func column(_ x: Double, of count: Int) -> Int? {
    Self.cell(x * scale.x - offset.x, seen.x, count)
  }

  /// The same for rows.
  func row(_ y: Double, of count: Int) -> Int? {
    Self.cell(y * scale.y - offset.y, seen.y, count)
  }

  private static func cell(_ position: Double, _ seen: Range<Double>, _ count: Int) -> Int? {
    guard seen.contains(position) else { return nil }
    let cell = Int(position)
    return cell < count ? cell : nil
  }
}

/// A question that has no answer in this model or picture.
public enum AttentionQueryError: Error, CustomStringConvertible, Sendable {
  /// A stage, of so many.
  case stage(Int, count: Int)
  /// A block, and how many the stage has.
  case block(Int, stage: Int, count: Int)
  /// A block without a matrix: one of convolutions, one that skips its attention, or an attention that reports none.
  case noMatrix(Int, stage: Int)
  /// A pixel outside the picture.
  case point(x: Int, y: Int, PixelSize)
  /// A pixel that the network does not see.
  case unseen(x: Int, y: Int)
  /// A head, of so many.
  case head(Int, count: Int)
  /// A channel, of so many a head.
  case channel(Int, count: Int)

  /// One sentence that names what there is.
  public var description: String {
    switch self {
    case .stage(let stage, let count):
      "stage is \(stage), this model has stages \(Self.range(count))."
    case .block(let block, let stage, let count):
      "block is \(block), stage \(stage) of this model has blocks \(Self.range(count))."
    case .noMatrix(let block, let stage):
      "block \(block) of stage \(stage) has no matrix that could be drawn. Choose another one."
    case .point(let x, let y, let size):
      "point is \(x),\(y), the picture has x \(Self.range(size.width)) and "
        + "y \(Self.range(size.height))."
    case .unseen(let x, let y):
      "point is \(x),\(y), which the network does not see: the config crops the picture, or less "
        + "than a patch is left there. Choose a point nearer to the middle."
    case .head(let head, let count):
      "head is \(head), this block has heads \(Self.range(count))."
    case .channel(let channel, let count):
      "channel is \(channel), the heads of this block have channels \(Self.range(count))."
    }
  }

  private static func range(_ count: Int) -> String { count == 1 ? "0 only" : "0 to \(count - 1)" }
}
