import FlattenFiles
import FlattenImage
import FlattenRegions
import FlattenTensor
import Foundation
import TestSupport
import Testing

@testable import FlattenVision

@Suite struct PictureBatchTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func source(_ path: String, name: String) -> PictureSource {
    PictureSource(path: path, name: name)
  }

  private func everything(into target: ResultTarget) -> PredictionOutputs {
    var outputs = PredictionOutputs(target: target)
    outputs.overlayOpacity = 0.5
    outputs.hasConfidence = true
    outputs.hasLogits = true
    outputs.hasProbabilities = true
    return outputs
  }

  // MARK: Names

  @Test func filesOfAPicture() throws {
    let picture = source("in/berlin/1.jpg", name: "berlin/1")
    let outputs = everything(into: .folder("out"))
    let files = try #require(outputs.layout.files(of: picture))
    #expect(
      files.all == [
        "out/berlin/1.png", "out/berlin/1.logits.npy", "out/berlin/1.probs.npy",
        "out/berlin/1.confidence.png", "out/berlin/1.confidence.npy", "out/berlin/1.overlay.jpg",
      ])
    let plain = PredictionOutputs(target: .folder("out"))
    #expect(plain.layout.files(of: picture)?.all == ["out/berlin/1.png"])

    let named = everything(into: .file("x/mask.PNG"))
    let beside = try #require(named.layout.files(of: picture))
    #expect(beside.main == "x/mask.PNG" && beside.path(.overlay) == "x/mask.overlay.jpg")
    let other = try #require(PredictionOutputs(target: .file("mask")).layout.files(of: picture))
    #expect(other.main == "mask" && other.path(.logits) == "mask.logits.npy")
    #expect(PredictionOutputs(target: .standardOutput).layout.files(of: picture) == nil)
  }

  // MARK: Writing

  private let labels = LabelMap(width: 3, height: 2, ids: [0, 1, 2, 2, 1, 0])

  private let picture = Image(
    width: 3, height: 2, filledWith: RGBColor(red: 10, green: 20, blue: 30))

  private var segmentation: Segmentation {
    let classes = (0..<3).map {
      SegmentationClass(
        id: UInt16($0), name: "class \($0)", colour: RGBColor(red: UInt8($0), green: 9, blue: 200))
    }
    return Segmentation(
      labels: labels, confidence: [1, 0.5, 0.25, 0, 0.125, 0.75], classes: classes,
      networkSize: PixelSize(height: 2, width: 3), warnings: [])
  }

  /// Writes one picture's results as a batch does.
  private struct Writer {
    let outputs: PredictionOutputs
    private(set) var files: ResultFiles?
    private var scores: [ScoreFile] = []

    /// What is planned for a picture none of whose results is there.
    init(_ outputs: PredictionOutputs, _ source: PictureSource) throws {
      self.outputs = outputs
      guard case .make(let files) = try outputs.layout.plan(for: source) else {
        throw Unexpected(what: "a mask that is not there is kept")
      }
      self.files = files
    }

    mutating func open(scores count: Int, size: PixelSize) throws {
      guard var files else { return }
      try outputs.layout.prepare(&files, longestSide: max(size.height, size.width))
      self.files = files
      scores = try outputs.scoreFiles(files, scores: count, size: size)
    }

    var sinks: [(PixelScores.Kind, PixelScores.Sink)] { scores.map(\.sink) }

    func finish(
      _ segmentation: Segmentation, of picture: Image, onNote: (OverlayNote) -> Void = { _ in }
    ) throws -> [String] {
      guard let files else { return [] }
      return try files.commit(
        scores.map(\.file) + outputs.stage(segmentation, of: picture, files, onNote: onNote))
    }
  }

  private struct Unexpected: Error {
    let what: String
  }

  /// The writer of a picture that has received all scores: 100, 101, ... the logits, 200, 201, ... the
  /// probabilities.
  private func opened(
    _ outputs: PredictionOutputs, _ source: PictureSource
  ) throws -> Writer {
    var writer = try Writer(outputs, source)
    try writer.open(scores: 3, size: picture.size)
    #expect(writer.sinks.map(\.0) == [.logits, .probabilities])
    for (kind, sink) in writer.sinks {
      let first: Float = kind == .logits ? 100 : 200
      let values = (0..<18).map { first + Float($0) }
      sink(0, 2, values.span)
    }
    return writer
  }

  @Test func everythingOfAPictureIsWritten() throws {
    let outputs = everything(into: .folder(folder.url.path))
    let source = source("a.jpg", name: "a")
    let files = try #require(outputs.layout.files(of: source))
    let writer = try opened(outputs, source)
    #expect(try folder.names().isEmpty, "nothing appears before all is there")
    #expect(try writer.finish(segmentation, of: picture) == files.all)
    #expect(
      try folder.names() == [
        "a.confidence.npy", "a.confidence.png", "a.logits.npy", "a.overlay.jpg", "a.png",
        "a.probs.npy",
      ])
    #expect(try LabelImage.decode(path: files.main).value == labels)
    #expect(
      try LabelImage.decode(path: files.path(.confidencePicture)).value.ids == [
        255, 128, 64, 0, 32, 191,
      ])
    #expect(
      try floats(files.path(.confidenceArray), shape: [2, 3]) == [1, 0.5, 0.25, 0, 0.125, 0.75])
    // Stored as [classes, height, width], given as [height, width, classes].
    let planes = (0..<3).flatMap { index in (0..<6).map { Float(100 + 3 * $0 + index) } }
    #expect(try floats(files.path(.logits), shape: [3, 2, 3]) == planes)
    #expect(try floats(files.path(.probabilities), shape: [3, 2, 3]) == planes.map { $0 + 100 })
    #expect(try Image.decode(path: files.path(.overlay)).value.width >= 3)
  }

  private func floats(_ path: String, shape: [Int]) throws -> [Float] {
    let bytes = try [UInt8](Data(contentsOf: URL(filePath: path)))
    let header = NumpyFile.header(shape: shape)
    try #require(bytes.starts(with: header) && (bytes.count - header.count) % 4 == 0)
    return stride(from: header.count, to: bytes.count, by: 4).map { start in
      Float(bitPattern: bytes[start..<start + 4].reversed().reduce(0) { $0 << 8 | UInt32($1) })
    }
  }

  /// Something is in the way of the second of six files when they get their names: what has already
  /// appeared goes again, what has not never appears.
  @Test func aFailedCommitTakesBackWhatWasWritten() throws {
    let outputs = everything(into: .folder(folder.url.path))
    let source = source("a.jpg", name: "a")
    let files = try #require(outputs.layout.files(of: source))
    let writer = try opened(outputs, source)
    try FileManager.default.createDirectory(
      atPath: files.path(.probabilities), withIntermediateDirectories: false)
    let error = #expect(throws: FileError.self) { _ = try writer.finish(segmentation, of: picture) }
    #expect(error?.path == files.path(.probabilities) && error?.kind == .unwritable)
    #expect(try folder.names() == ["a.probs.npy"])
  }

  /// What replaced a file of an earlier run stays: to take it back would lose both.
  @Test func aFailedCommitDeletesNothingOfAnEarlierRun() throws {
    var outputs = everything(into: .folder(folder.url.path))
    outputs.existing = .replace
    let source = source("a.jpg", name: "a")
    let files = try #require(outputs.layout.files(of: source))
    _ = try folder.file("a.logits.npy", [1, 2, 3])
    let writer = try opened(outputs, source)
    try FileManager.default.createDirectory(
      atPath: files.path(.probabilities), withIntermediateDirectories: false)
    #expect(throws: FileError.self) { _ = try writer.finish(segmentation, of: picture) }
    #expect(try folder.names() == ["a.logits.npy", "a.probs.npy"])
  }

  /// The same where the last file, the mask, cannot even be begun.
  @Test func nothingAppearsWithoutTheMask() throws {
    let outputs = everything(into: .folder(folder.url.path))
    let source = source("a.jpg", name: "a")
    let files = try #require(outputs.layout.files(of: source))
    let writer = try opened(outputs, source)
    try FileManager.default.createDirectory(
      atPath: files.main, withIntermediateDirectories: false)
    #expect(throws: FileError.self) { _ = try writer.finish(segmentation, of: picture) }
    #expect(try folder.names() == ["a.png"])
  }

  /// Scores go to the disk as they are made, but get no name where their picture is never finished.
  @Test func aDroppedPictureLeavesNothing() throws {
    let outputs = everything(into: .folder(folder.url.path))
    _ = try opened(outputs, source("a.jpg", name: "a"))
    #expect(try folder.names().isEmpty)
  }

  @Test func foldersBelowTheTargetAreMade() throws {
    let outputs = PredictionOutputs(target: .folder(folder.path("out")))
    var writer = try Writer(outputs, source("x", name: "ulm/1"))
    #expect(!FileManager.default.fileExists(atPath: folder.path("out")), "planning makes nothing")
    try writer.open(scores: 3, size: picture.size)
    #expect(FileManager.default.fileExists(atPath: folder.path("out/ulm")))
    // Not those of a single file, which its user named.
    let file = PredictionOutputs(target: .file(folder.path("none/mask.png")))
    var one = try Writer(file, source("x", name: "x"))
    try one.open(scores: 3, size: picture.size)
    #expect(!FileManager.default.fileExists(atPath: folder.path("none")))
  }

  /// The caller's wishes stay; what the results need comes on top.
  @Test func optionsAreOfBoth() throws {
    let segmenter = try Segmenter.builtIn()
    var wishes = Segmenter.Options()
    wishes.scales = [0.5, 1.0]
    wishes.flips = [.horizontal]
    var outputs = PredictionOutputs(target: .folder(folder.url.path))
    func options() -> Segmenter.Options {
      SegmentationWork(segmenter, options: wishes, outputs: outputs).options
    }
    #expect(!options().keepsConfidence)
    outputs.hasConfidence = true
    let needed = options()
    #expect(needed.keepsConfidence && needed.flips == [.horizontal] && needed.scales == [0.5, 1.0])
    outputs.hasConfidence = false
    wishes.keepsConfidence = true
    #expect(options().keepsConfidence)
  }

  // MARK: Overlays that no JPEG can hold

  /// Mask and overlay of a picture of one class, and what is noted.
  private func overlayOnly(
    _ width: Int, _ height: Int, legend: Bool = true
  ) throws -> (written: [String], notes: [OverlayNote]) {
    var outputs = PredictionOutputs(target: .folder(folder.url.path))
    outputs.overlayOpacity = 0.5
    outputs.hasLegend = legend
    outputs.existing = .replace
    let name = "\(width)x\(height)"
    var writer = try Writer(outputs, source("\(name).jpg", name: name))
    let long = Image(
      width: width, height: height, filledWith: RGBColor(red: 90, green: 120, blue: 60))
    try writer.open(scores: 1, size: long.size)
    let colour = RGBColor(red: 200, green: 0, blue: 0)
    let labels = LabelMap(
      width: width, height: height, ids: [UInt16](repeating: 0, count: width * height))
    let segmentation = Segmentation(
      labels: labels, confidence: nil,
      classes: [SegmentationClass(id: 0, name: "one", colour: colour)], networkSize: long.size,
      warnings: [])
    var notes: [OverlayNote] = []
    let written = try writer.finish(segmentation, of: long) { notes.append($0) }
    #expect(try LabelImage.decode(path: written[0]).value == labels)
    return (written.map { $0.replacing(folder.url.path + "/", with: "") }, notes)
  }

  @Test(arguments: [(65_501, 2), (2, 65_501), (131_072, 1)])
  func tooLongForAJPEG(width: Int, height: Int) throws {
    let name = "\(width)x\(height)"
    let (written, notes) = try overlayOnly(width, height)
    #expect(written == ["\(name).png", "\(name).overlay.png"])
    #expect(notes == [.isPNG])
    #expect(try folder.names().sorted() == written.sorted())
    let overlay = try Image.decode(path: folder.path("\(name).overlay.png")).value
    #expect(overlay.width >= width && overlay.height > height, "with its legend")
    #expect(overlay[0, 0] == RGBColor(red: 145, green: 60, blue: 30))
  }

  /// A picture that fits keeps its JPEG; the legend goes where it would be too much, or gets smaller.
  @Test func aLegendCostsNoOverlay() throws {
    let (written, notes) = try overlayOnly(2, 65_500)
    #expect(written == ["2x65500.png", "2x65500.overlay.jpg"])
    #expect(notes == [.lacksLegend])
    #expect(try Image.decode(path: folder.path(written[1])).value.height == 65_500)
    #expect(try overlayOnly(2, 65_500, legend: false).notes == [])
    let roomy = try overlayOnly(200, 65_450)
    #expect(roomy.notes == [])
    let overlay = try Image.decode(path: folder.path("200x65450.overlay.jpg")).value
    #expect(overlay.height > 65_450 && overlay.height <= 65_500)
    #expect(try overlayOnly(65_500, 2).notes == [])
  }

  /// Once in a batch, whatever the number of such pictures.
  @Test func longOverlaysAreToldOfOnce() throws {
    let sources = try ["a", "b", "c"].map { name in
      let path = folder.path("\(name).source.png")
      try Image(
        width: name == "b" ? 40 : 65_600, height: 2,
        filledWith: RGBColor(red: 9, green: 9, blue: 9)
      ).writePNG(to: path)
      return source(path, name: name)
    }
    let batch = PictureBatch(
      try Segmenter.builtIn(), options: Segmenter.Options(), outputs: outputs(.refuse))
    let warnings = Locked<[[String]]>([])
    let files = Locked<[String]>([])
    batch.run(sources) { outcome in
      // Of the overlays; that strips are not what the model was trained with is said as well.
      let notes = outcome.warnings.filter { !$0.contains("trained with") }
      warnings.withLock { $0.append(notes) }
      if case .done(let done) = outcome.result { files.withLock { $0 += done.files } }
    }
    #expect(warnings.withLock { $0.map(\.count) } == [1, 0, 0])
    #expect(
      warnings.withLock { $0[0][0] } == folder.path("a.source.png")
        + ": no JPEG has more than 65500 pixels a side: such overlays are PNG files")
    #expect(
      files.withLock { $0 }.map { $0.replacing(folder.path("out") + "/", with: "") } == [
        "a.png", "a.overlay.png", "b.png", "b.overlay.jpg", "c.png", "c.overlay.png",
      ])
  }

  /// Of the two names an overlay could have only the one that is used is in the way.
  @Test func theOverlayThatExistsIsTheOneThatWouldBeWritten() throws {
    try Image(width: 65_501, height: 1, filledWith: RGBColor(red: 9, green: 9, blue: 9))
      .writePNG(to: folder.path("long.source.png"))
    try FileManager.default.createDirectory(
      atPath: folder.path("out"), withIntermediateDirectories: false)
    let long = source(folder.path("long.source.png"), name: "long")
    let short = try makePicture("short")
    for name in ["out/long.overlay.jpg", "out/short.overlay.png"] {
      _ = try folder.file(name, [1, 2, 3])
    }
    for source in [long, short] {
      guard case .make = try outputs(.refuse).layout.plan(for: source) else {
        throw Unexpected(what: "a file that is not written is in the way")
      }
    }
    _ = try folder.file("out/long.overlay.png", [4])
    #expect(
      throws: ExistingResultError(path: folder.path("out/long.overlay.png"), canBeKept: true)
    ) { _ = try outputs(.refuse).layout.plan(for: long) }
    // Of standard input the size is known only once it was read.
    var blind = try Writer(outputs(.refuse), source("-", name: "stdin"))
    _ = try folder.file("out/stdin.overlay.png", [5])
    try blind.open(scores: 3, size: PixelSize(height: 5, width: 65_500))
    #expect(
      throws: ExistingResultError(path: folder.path("out/stdin.overlay.png"), canBeKept: true)
    ) { try blind.open(scores: 3, size: PixelSize(height: 5, width: 65_501)) }
  }

  // MARK: What exists already

  private func makePicture(_ name: String) throws -> PictureSource {
    let image = Image(width: 40, height: 36, filledWith: RGBColor(red: 90, green: 120, blue: 60))
    try image.writePNG(to: folder.path("\(name).source.png"))
    return source(folder.path("\(name).source.png"), name: name)
  }

  /// What came of each picture, in a word, and its path or reason.
  private func outcomes(
    _ sources: [PictureSource], _ outputs: PredictionOutputs
  ) throws -> [String] {
    let batch = PictureBatch(
      try Segmenter.builtIn(), options: Segmenter.Options(), outputs: outputs)
    let said = Locked<[String]>([])
    let prefix = folder.url.path + "/"
    batch.run(sources) { outcome in
      let text =
        switch outcome.result {
        case .done(let done): "written \(done.files.joined(separator: " "))"
        case .kept(let path): "skipped \(path ?? "")"
        case .failed(let error): "\(error.isUnwritable ? "unwritable" : "failed") \(error)"
        }
      said.withLock { $0.append(text.replacing(prefix, with: "")) }
    }
    return said.withLock { $0 }
  }

  private func outputs(_ existing: ExistingResults) -> PredictionOutputs {
    var outputs = PredictionOutputs(target: .folder(folder.path("out")))
    outputs.existing = existing
    outputs.overlayOpacity = 0.5
    return outputs
  }

  private func bytes(_ name: String) throws -> [UInt8] {
    try [UInt8](Data(contentsOf: folder.url.appending(path: name)))
  }

  /// Three pictures; of the first the mask is there, of the second only the overlay.
  private func prepared() throws -> [PictureSource] {
    let sources = try ["a", "b", "c"].map(makePicture)
    try FileManager.default.createDirectory(
      atPath: folder.path("out"), withIntermediateDirectories: false)
    for name in ["out/a.png", "out/b.overlay.jpg"] { _ = try folder.file(name, [1, 2, 3]) }
    return sources
  }

  /// Who asked may as well keep what exists; how, is for the program to say.
  @Test func existingResultsAreRefused() throws {
    let sources = try prepared()
    #expect(
      try outcomes(sources, outputs(.refuse)) == [
        "unwritable out/a.png: exists already",
        "unwritable out/b.overlay.jpg: exists already",
        "written out/c.png out/c.overlay.jpg",
      ])
    #expect(try bytes("out/a.png") == [1, 2, 3] && bytes("out/b.overlay.jpg") == [1, 2, 3])
    for (source, name) in zip(sources, ["a.png", "b.overlay.jpg"]) {
      let error = ExistingResultError(path: folder.path("out/\(name)"), canBeKept: true)
      #expect(throws: error) { _ = try outputs(.refuse).layout.plan(for: source) }
    }
  }

  /// A mask says that the rest is there; a picture that has one is not even read.
  @Test func existingMasksAreSkipped() throws {
    var sources = try prepared()
    _ = try folder.file("out/gone.png", [4])
    sources.append(source(folder.path("gone.jpg"), name: "gone"))
    #expect(
      try outcomes(sources, outputs(.skip)) == [
        "skipped out/a.png", "written out/b.png out/b.overlay.jpg",
        "written out/c.png out/c.overlay.jpg", "skipped out/gone.png",
      ])
    #expect(try bytes("out/a.png") == [1, 2, 3])
    #expect(try bytes("out/b.overlay.jpg") == bytes("out/c.overlay.jpg"))
  }

  @Test func existingResultsAreReplaced() throws {
    #expect(
      try outcomes(prepared(), outputs(.replace))
        == ["a", "b", "c"].map { "written out/\($0).png out/\($0).overlay.jpg" })
    for name in ["a", "b"] {
      #expect(try bytes("out/\(name).png") == bytes("out/c.png"))
      #expect(try bytes("out/\(name).overlay.jpg") == bytes("out/c.overlay.jpg"))
    }
  }

  /// Nothing is in the way of a mask on standard output, whatever lies about.
  @Test func standardOutputIsNeverThere() throws {
    _ = try folder.file("a.png", [1])
    for existing in [ExistingResults.refuse, .skip, .replace] {
      var outputs = everything(into: .standardOutput)
      outputs.existing = existing
      var writer = try Writer(outputs, source(folder.path("a.png"), name: folder.path("a")))
      // There is no file for the scores either.
      try writer.open(scores: 3, size: picture.size)
      #expect(writer.sinks.isEmpty)
    }
    #expect(try folder.names() == ["a.png"])
  }
}
