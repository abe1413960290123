import FlattenRegions
import FlattenInspection
import FlattenTensor
import TestSupport
import Testing

@testable import FlattenImage
@testable import FlattenVision

@Suite struct AttentionViewerTests {
  struct Family: Sendable, CustomTestStringConvertible {
    let backbone: String
    var isClassifier = false
    /// The attention of each stage's blocks, and whether it has a depthwise term.
    let kinds: [AttentionForm]
    let depthwise: [Bool]

    var testDescription: String { backbone }
  }

  private static let pyramid =
    "embed_dims: [8, 8, 8, 8], num_heads: [2, 1, 2, 1], mlp_ratios: [1, 1, 1, 1], "
    + "depths: [2, 1, 1, 1]"
  private static let swin =
    "embed_dim: 4, depths: [2, 1, 2, 1], num_heads: [2, 1, 2, 1], img_size: 64"
  private static let cswin =
    "embed_dim: 4, depth: [2, 1, 1, 1], num_heads: [2, 2, 4, 2], split_size: [1, 2, 1, 2], "
    + "img_size: 64"
  private static let vision =
    "img_size: 64, patch_size: 8, embed_dim: 12, depth: 2, num_heads: 3"

  static let families = [
    Family(
      backbone: "{type: flatten_pvt, \(pyramid), img_size: 64, attn_type: LLSS}",
      kinds: [.linear, .linear, .softmax, .softmax], depthwise: [true, true, false, false]),
    Family(
      backbone: "{type: flatten_pvt_v2, \(pyramid), img_size: 64, la_sr_ratios: \"8421\"}",
      kinds: [.linear, .linear, .linear, .linear], depthwise: [true, true, true, true]),
    Family(
      backbone: "{type: flatten_pvt_v2, \(pyramid), linear: true, la_sr_ratios: \"8421\"}",
      isClassifier: true, kinds: [.linear, .linear, .linear, .linear],
      depthwise: [true, true, true, true]),
    Family(
      backbone: "{type: flatten_swin, \(swin), attn_type: LLSS}",
      kinds: [.linear, .linear, .softmax, .softmax], depthwise: [true, true, false, false]),
    Family(
      backbone: "{type: flatten_swin, \(swin), window_size: 4, attn_type: LLLL}",
      kinds: [.linear, .linear, .linear, .linear], depthwise: [true, true, true, true]),
    Family(
      backbone: "{type: flatten_cswin, \(cswin), attn_type: LSSS}",
      kinds: [.linear, .softmax, .softmax, .softmax], depthwise: [true, true, true, true]),
    Family(
      backbone: "{type: flatten_deit, \(vision)}", isClassifier: true, kinds: [.linear],
      depthwise: [true]),
    Family(
      backbone: "{type: pvt, \(pyramid), img_size: 64}", isClassifier: true,
      kinds: [.softmax, .softmax, .softmax, .softmax], depthwise: [false, false, false, false]),
    Family(
      backbone: "{type: pvt_v2, \(pyramid), linear: true}",
      kinds: [.softmax, .softmax, .softmax, .softmax], depthwise: [false, false, false, false]),
    Family(
      backbone: "{type: swin, \(swin), window_size: 3}",
      kinds: [.softmax, .softmax, .softmax, .softmax], depthwise: [false, false, false, false]),
    Family(
      backbone: "{type: cswin, \(cswin)}", isClassifier: true,
      kinds: [.softmax, .softmax, .softmax, .softmax], depthwise: [true, true, true, true]),
    Family(
      backbone: "{type: deit, \(vision)}", isClassifier: true, kinds: [.softmax],
      depthwise: [false]),
  ]

  /// A small model with random weights.
  private func viewer(_ backbone: String, isClassifier: Bool = false) throws -> AttentionViewer {
    let folder = try TemporaryFolder()
    _ = try folder.file("letters.yaml", Array("{name: letters, classes: [a, b, c]}".utf8))
    let head =
      isClassifier
      ? "classifier: {num_classes: 3}"
      : "decode_head: {type: segformer_head, channels: 8, num_classes: 11, align_corners: false}"
    let config = try folder.file(
      "model.yaml",
      Array(
        """
        name: small
        dataset: \(isClassifier ? "letters.yaml" : "camvid")
        model:
          backbone: \(backbone)
          \(head)
        input: {mean: [120, 110, 100], std: [60, 60, 60]\(isClassifier ? ", resize: 80, crop: 64" : "")}
        """.utf8))
    let weights = folder.path("w.safetensors")
    try VisionTasks.configuration(path: config).writeRandomWeights(seed: 3, to: weights)
    return try AttentionViewer.load(config: config, weights: weights, threads: 2)
  }

  /// Noise, so that no two tokens are alike.
  private func picture(_ width: Int, _ height: Int) -> Image {
    Image(
      width: width, height: height,
      pixels: (0..<width * height * 3).map { UInt8(truncatingIfNeeded: $0 &* $0 &* 31 >> 5) })
  }

  // MARK: All families

  @Test(arguments: families) func everyBlockOfEveryFamily(family: Family) throws {
    let viewer = try viewer(family.backbone, isClassifier: family.isClassifier)
    #expect(viewer.blocks.count == family.kinds.count)
    let picture = picture(101, 83)
    for (stage, blocks) in viewer.blocks.enumerated() {
      for block in 0..<blocks {
        var query = AttentionQuery()
        (query.stage, query.block) = (stage, block)
        query.point = (x: 60, y: 30)
        let map = try viewer.attention(of: picture, query)
        #expect(map.kind == family.kinds[stage])
        #expect(map.weights.map(\.head) == Array(0..<map.heads))
        #expect(map.ranks.map(\.head) == Array(0..<map.heads))
        let stride = viewer.blocks.count == 1 ? 8 : 4 << stage
        if !family.isClassifier {
          #expect(map.token == (row: 30 / stride, column: 60 / stride))
        }
        for (weights, rank) in zip(map.weights, map.ranks) {
          check(weights, map, hasDepthwise: family.depthwise[stage])
          check(rank, map, hasDepthwise: family.depthwise[stage])
        }
        let drawn = map.drawn()
        #expect(drawn.height > 240 && drawn.width > (family.depthwise[stage] ? 3 : 1) * 240)
        let (values, shape) = map.array
        #expect(shape == [2, map.heads, map.keyGrid.height, map.keyGrid.width])
        #expect(values.count == shape.reduce(1, *))
        #expect(Double(values[0]) == Double(Float(map.weights[0].attention[0])))
      }
    }
  }

  private func check(_ weights: AttentionWeights, _ map: AttentionMap, hasDepthwise: Bool) {
    #expect(weights.attention.count == map.keyGrid.height * map.keyGrid.width)
    #expect(weights.attention.allSatisfy { $0 >= 0 })
    let sum = weights.attention.reduce(0, +) + weights.elsewhere
    // A row of linear attention sums to s / (s + 1e-6), which is little where no channel is alive.
    #expect(map.kind == .softmax ? abs(sum - 1) < 1e-12 : sum > 0 && sum < 1 + 1e-12)
    #expect((weights.depthwise != nil) == hasDepthwise)
    guard let depthwise = weights.depthwise, map.keyGrid == map.grid else { return }
    // Five cells a side around the token, or three of CSwin's encoding.
    for (cell, weight) in depthwise.enumerated() where weight != 0 {
      #expect(abs(cell / map.grid.width - map.token.row) <= 2)
      #expect(abs(cell % map.grid.width - map.token.column) <= 2)
    }
    #expect(depthwise[map.token.row * map.grid.width + map.token.column] != 0)
  }

  private func check(_ rank: AttentionRank, _ map: AttentionMap, hasDepthwise: Bool) {
    #expect(rank.isWhole)
    #expect(rank.attention >= 1 && rank.attention <= min(rank.rows, rank.columns))
    if map.kind == .linear { #expect(rank.attention <= map.width) }
    #expect((rank.withDepthwise != nil) == hasDepthwise)
    if let restored = rank.withDepthwise {
      #expect(restored >= rank.attention && restored <= min(rank.rows, rank.columns))
    }
  }

  /// A shifted window of Swin and the cross of CSwin, seen from a token: zero everywhere else.
  @Test func windowsAndStripesEndWhereTheyDo() throws {
    let picture = picture(96, 96)
    var query = AttentionQuery()
    query.wantsRank = false
    query.block = 1
    query.point = (x: 49, y: 21)
    let swin = try viewer("{type: swin, \(Self.swin), window_size: 4}")
      .attention(of: picture, query)
    #expect(swin.ranks.isEmpty)
    // 24x24 cells, windows of 4 shifted by 2: the token (5, 12) is in rows 2 to 5, columns 10 to 13.
    #expect(swin.token == (row: 5, column: 12))
    for (cell, weight) in swin.weights[0].attention.enumerated() {
      let isInside = (2...5).contains(cell / 24) && (10...13).contains(cell % 24)
      #expect((weight > 0) == isInside, "cell \(cell)")
    }
    let cswin = try viewer("{type: cswin, \(Self.cswin)}").attention(of: picture, query)
    #expect(cswin.heads == 2)
    for (cell, weight) in cswin.weights[0].attention.enumerated() {
      #expect((weight > 0) == (cell % 24 == 12))
    }
    for (cell, weight) in cswin.weights[1].attention.enumerated() {
      #expect((weight > 0) == (cell / 24 == 5))
    }
  }

  @Test func oneHeadIsOneOfAll() throws {
    let viewer = try viewer(Self.families[0].backbone)
    var query = AttentionQuery()
    let all = try viewer.attention(of: picture(64, 64), query)
    query.head = 1
    query.channel = 3
    let one = try viewer.attention(of: picture(64, 64), query)
    #expect(all.point == (x: 32, y: 32))
    #expect(one.weights.count == 1 && one.weights[0].head == 1 && one.ranks.count == 1)
    #expect(one.weights[0].attention == all.weights[1].attention)
    #expect(one.weights[0].depthwise != all.weights[1].depthwise)
    #expect(all.mean(\.attention) != one.mean(\.attention))
    #expect(one.mean(\.attention) == one.weights[0].attention)
  }

  @Test func theNumberOfThreadsChangesNothing() throws {
    let picture = picture(90, 70)
    let maps = try [1, 3].map { threads in
      try AttentionViewer(Segmenter.builtIn(threads: threads))
        .attention(of: picture, AttentionQuery())
    }
    #expect(maps[0].array.values == maps[1].array.values)
    #expect(maps[0].ranks == maps[1].ranks && maps[0].drawn() == maps[1].drawn())
  }

  // MARK: The drawing's scales

  /// The attention of one head over a map of 2x4 tokens, all rows alike.
  private func map(of row: [Double], depthwise: Bool = false) throws -> AttentionMap {
    let tokens = Tensor(zeros: [1, 8, 4])
    let record = AttentionRecord(
      layer: "", .rows { _, _ in row }, queries: tokens, keys: tokens, heads: 1,
      layout: WindowLayout(wholeOf: 2, 4),
      depthwise: depthwise
        ? [DepthwiseWeight(Tensor([4, 1, 3, 3], (0..<36).map { Float($0) - 4 }), bias: nil)] : [])
    let picture = Image(width: 40, height: 20, filledWith: RGBColor(0x808080))
    var query = AttentionQuery()
    query.wantsRank = false
    return try AttentionMap(
      #require(BlockAttention([record])), query, of: picture,
      PictureFrame(picture, resizedTo: picture.size, stride: 10), model: "",
      threads: ThreadPool(threads: 1))
  }

  /// Zero is black, above it is red, below it is blue, and equal magnitudes are as light.
  @Test func weightsOfEitherSignHaveAScaleOfBoth() throws {
    let row = [0.5, -0.5, 0, 0.25, -0.25, 0.125, 1, -2]
    let map = try map(of: row)
    #expect(map.panels.map(\.part) == [.attention])
    #expect(map.panels[0].isSigned && map.panels[0].values == row && map.panels[0].limit == 1)
    let drawn = map.drawn()
    // 240 pixels across the picture's 40, from below the heading and the title on.
    let scale = BitmapFont.height + 4
    let top = 6 + 2 * scale + 6 + scale
    func colour(_ cell: Int) -> RGBColor {
      drawn[6 + cell % 4 * 60 + 5, top + cell / 4 * 60 + 5]
    }
    func tint(_ share: Double) -> RGBColor {
      HeatMapPicture.signedColour(share).mixed(with: RGBColor(0x808080), share: 96)
    }
    for (cell, weight) in row.enumerated() { #expect(colour(cell) == tint(weight), "\(weight)") }
    #expect(colour(0).red > colour(0).blue && colour(1).blue > colour(1).red)
  }

  /// The convolution's weights are drawn with their signs where the attention's are, and as magnitudes elsewhere.
  @Test func aScaleIsThatOfTheAttention() throws {
    let signed = try map(of: [0.5, -0.5, 0, 0.25, 0.25, 0.125, 1, 0.5], depthwise: true)
    #expect(signed.panels.map(\.part) == [.attention, .depthwise, .sum])
    #expect(signed.panels.allSatisfy { $0.isSigned })
    #expect(signed.panels[1].values.contains { $0 < 0 })
    #expect(signed.panels[2].limit == signed.panels[0].limit)
    let sum = zip(signed.panels[0].values, signed.panels[1].values).map { $0 + $1 }
    #expect(signed.panels[2].values == sum)
    let unsigned = try map(of: [0.5, 0.5, 0, 0.25, 0.25, 0.125, 1, 0.5], depthwise: true)
    #expect(unsigned.panels.allSatisfy { !$0.isSigned })
    #expect(unsigned.panels.allSatisfy { panel in !panel.values.contains { $0 < 0 } })
    let magnitudes = signed.panels[1].values.map(\.magnitude)
    #expect(unsigned.panels[1].values == magnitudes)
  }

  /// No sign that nobody could see.
  @Test func aTraceBelowZeroIsNoSign() throws {
    func isSigned(_ least: Double) throws -> Bool {
      try map(of: [0.5, least, 0, 0, 0, 0, 0, 0.5]).panels[0].isSigned
    }
    #expect(try !isSigned(-1e-9))
    #expect(try isSigned(-0.01))
    let zeros = try map(of: [Double](repeating: 0, count: 8)).panels[0]
    #expect(zeros.limit == 0 && !zeros.isSigned)
  }

  // MARK: Refusals

  @Test func whatIsNotThereIsNamed() throws {
    let viewer = try viewer(Self.families[0].backbone)
    func message(_ change: (inout AttentionQuery) -> Void) -> String? {
      var query = AttentionQuery()
      query.wantsRank = false
      change(&query)
      do {
        _ = try viewer.attention(of: picture(64, 48), query)
        return nil
      } catch {
        #expect(FailureKind(of: error) == .request)
        return "\(error)"
      }
    }
    #expect(message { $0.stage = 4 } == "stage is 4, this model has stages 0 to 3.")
    #expect(message { $0.stage = -1 } == "stage is -1, this model has stages 0 to 3.")
    #expect(message { $0.block = 2 } == "block is 2, stage 0 of this model has blocks 0 to 1.")
    #expect(
      message {
        $0.stage = 1
        $0.block = 1
      } == "block is 1, stage 1 of this model has blocks 0 only.")
    #expect(
      message { $0.point = (64, 0) } == "point is 64,0, the picture has x 0 to 63 and y 0 to 47.")
    #expect(
      message { $0.point = (0, -1) }
        == "point is 0,-1, the picture has x 0 to 63 and y 0 to 47.")
    #expect(message { $0.head = 2 } == "head is 2, this block has heads 0 to 1.")
    #expect(
      message { $0.channel = 4 }
        == "channel is 4, the heads of this block have channels 0 to 3.")
    #expect(message { $0.point = (63, 47) } == nil)
  }

  /// A classifier's crop, and PVT's rows that make no whole patch, are not seen.
  @Test func whatTheNetworkDoesNotSeeIsNoToken() throws {
    var query = AttentionQuery()
    query.wantsRank = false
    query.point = (x: 0, y: 0)
    #expect(throws: AttentionQueryError.self) {
      _ = try viewer(Self.families[7].backbone, isClassifier: true)
        .attention(of: picture(120, 120), query)
    }
    query.point = (x: 66, y: 3)
    #expect(throws: AttentionQueryError.self) {
      _ = try viewer(Self.families[0].backbone).attention(of: picture(67, 64), query)
    }
  }

  // MARK: Where things lie

  @Test func cellsOfAFrame() {
    let picture = picture(200, 100)
    let whole = PictureFrame(picture, resizedTo: PixelSize(height: 50, width: 100), stride: 4)
    #expect(whole.column(0.5, of: 25) == 0 && whole.column(7.9, of: 25) == 0)
    #expect(whole.column(8.1, of: 25) == 1 && whole.column(199.5, of: 25) == 24)
    #expect(whole.row(99.5, of: 13) == 12 && whole.row(99.5, of: 12) == nil)
    #expect(whole.column(-1, of: 25) == nil && whole.column(201, of: 25) == nil)
    // 100x200 to 40x80, of which the middle 32x32: rows 4 to 36, columns 24 to 56.
    let crop = PictureFrame(
      picture, resizedTo: PixelSize(height: 40, width: 80), crop: 32, stride: 8)
    #expect(crop.column(59, of: 4) == nil && crop.column(61, of: 4) == 0)
    #expect(crop.column(139, of: 4) == 3 && crop.column(141, of: 4) == nil)
    #expect(crop.row(9, of: 4) == nil && crop.row(11, of: 4) == 0 && crop.row(91, of: 4) == nil)
    // A crop larger than the picture begins before it.
    let padded = PictureFrame(
      picture, resizedTo: PixelSize(height: 16, width: 32), crop: 32, stride: 8)
    #expect(padded.row(1, of: 4) == 1 && padded.column(1, of: 4) == 0)
  }
}
