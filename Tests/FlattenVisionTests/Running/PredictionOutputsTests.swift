import FlattenFiles
import FlattenImage
import Foundation
import TestSupport
import Testing

@testable import FlattenVision

@Suite struct PredictionOutputsTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func source(_ path: String, name: String) -> PictureSource {
    PictureSource(path: path, name: name)
  }

  // MARK: Names

  @Test func whatAPathMeans() throws {
    try FileManager.default.createDirectory(
      atPath: folder.path("there.png"), withIntermediateDirectories: false)
    let cases: [(String, ResultTarget)] = [
      ("-", .standardOutput), ("a.png", .file("a.png")), ("x/B.PNG", .file("x/B.PNG")),
      ("out", .folder("out")), ("out.jpg", .folder("out.jpg")), ("out.png/", .folder("out.png")),
      ("/", .folder("/")), (folder.path("there.png"), .folder(folder.path("there.png"))),
    ]
    for (path, target) in cases {
      #expect(ResultTarget(path: path) == target, "\(path)")
    }
    #expect(ResultTarget(path: "a.svg", suffixes: [".svg"]) == .file("a.svg"))
    #expect(ResultTarget(path: "a.png", suffixes: [".svg"]) == .folder("a.png"))
  }

  // MARK: Refusals before anything is computed

  private func refusal(
    _ outputs: PredictionOutputs, _ sources: [PictureSource]
  ) -> FileError? {
    let error = #expect(throws: FileError.self) { try outputs.check(sources) }
    #expect(error?.kind == .unwritable)
    return error
  }

  @Test func twoPicturesOfOneName() throws {
    let sources = [
      source("a/x.jpg", name: "x"), source("y.jpg", name: "y"), source("b/x.png", name: "x"),
    ]
    let outputs = PredictionOutputs(target: .folder(folder.path("out")))
    try outputs.check(Array(sources.dropLast()))
    let error = refusal(outputs, sources)
    #expect(error?.path == folder.path("out/x.png"))
    #expect(
      error?.reason
        == "would hold the result of both 'a/x.jpg' and 'b/x.png'. Write them into different "
        + "folders")
    // One file for two pictures is the same mistake, whatever they are called.
    let one = PredictionOutputs(target: .file(folder.path("mask.png")))
    try one.check([sources[0]])
    #expect(refusal(one, Array(sources.dropLast()))?.path == folder.path("mask.png"))
    // Standard output holds nothing that could be lost.
    try PredictionOutputs(target: .standardOutput).check(sources)
    #expect(try folder.names().isEmpty)
  }

  /// The mask of one picture may be called like something else of another's.
  @Test func aMaskAndAnotherResultOfOneName() throws {
    let sources = [source("a.jpg", name: "a"), source("a.confidence.jpg", name: "a.confidence")]
    var outputs = PredictionOutputs(target: .folder(folder.path("out")))
    try outputs.check(sources)
    outputs.hasConfidence = true
    #expect(refusal(outputs, sources)?.path == folder.path("out/a.confidence.png"))
  }

  /// An overlay that no JPEG can hold is called like the mask of another picture, and like a picture: only
  /// where there is such an overlay.
  @Test func theOverlayOfALongPictureIsAPNG() throws {
    let grey = RGBColor(red: 99, green: 99, blue: 99)
    for (name, width) in [("long", 65_501), ("short", 65_500)] {
      try Image(width: width, height: 1, filledWith: grey).writePNG(to: folder.path(name))
      try Image(width: 4, height: 4, filledWith: grey)
        .writePNG(to: folder.path("\(name).overlay.png"))
    }
    for target in ["out", "."] {
      var outputs = PredictionOutputs(target: .folder(folder.path(target)))
      outputs.existing = .replace
      outputs.overlayOpacity = 0.5
      func sources(_ name: String, mask: String) -> [PictureSource] {
        [
          source(folder.path(name), name: name),
          source(folder.path("\(name).overlay.png"), name: mask),
        ]
      }
      try outputs.check(sources("short", mask: target == "out" ? "short.overlay" : "other"))
      let pair = sources("long", mask: target == "out" ? "long.overlay" : "other")
      for order in [pair, pair.reversed()] {
        #expect(refusal(outputs, order)?.path == folder.path("\(target)/long.overlay.png"))
      }
      outputs.overlayOpacity = nil
      try outputs.check(pair)
    }
  }

  /// Names that differ in their Unicode form alone are different files on this system.
  @Test func namesAreComparedByBytes() throws {
    let outputs = PredictionOutputs(target: .folder(folder.path("out")))
    try outputs.check([source("1", name: "caf\u{E9}"), source("2", name: "cafe\u{301}")])
    #expect(refusal(outputs, [source("1", name: "\u{E9}"), source("2", name: "\u{E9}")]) != nil)
  }

  /// Also where a link leads to the picture, and where a result other than the mask has its name.
  @Test func aResultThatWouldReplaceAPicture() throws {
    for name in ["a.png", "b.overlay.jpg", "c.jpg"] { _ = try folder.file(name, [1]) }
    try FileManager.default.createSymbolicLink(
      atPath: folder.path("linked.png"), withDestinationPath: folder.path("c.jpg"))
    var outputs = PredictionOutputs(target: .folder(folder.url.path))
    outputs.existing = .replace
    let pictures = [
      source(folder.path("a.png"), name: "a"), source(folder.path("b.overlay.jpg"), name: "b"),
      source(folder.path("c.jpg"), name: "linked"),
    ]
    try outputs.check([pictures[1]])
    let itself = "is one of the pictures itself. Choose another output"
    #expect(refusal(outputs, [pictures[0]])?.reason == itself)
    #expect(refusal(outputs, [pictures[2]])?.path == folder.path("linked.png"))
    outputs.overlayOpacity = 0.5
    #expect(refusal(outputs, [pictures[1]])?.path == folder.path("b.overlay.jpg"))
    // A picture from standard input is no file, even where one is called like it.
    _ = try folder.file("stdin.png", [1])
    try outputs.check([source("-", name: "stdin")])
  }

  @Test func aTargetThatCannotBeWritten() throws {
    let picture = [source("a.jpg", name: "a")]
    let file = try folder.file("file", [1])
    #expect(
      refusal(PredictionOutputs(target: .folder(file)), picture)?.reason
        == "is a file, a folder is wanted here")
    #expect(refusal(PredictionOutputs(target: .folder(file + "/below")), picture)?.path != nil)
    #expect(
      refusal(PredictionOutputs(target: .file(folder.path("none/mask.png"))), picture)?.reason
        == "its folder does not exist")
    #expect(
      refusal(PredictionOutputs(target: .file(folder.url.path)), picture)?.reason
        == "is a folder, cannot write a file there")
    // A folder that is not there yet is made when it is needed, not by asking.
    try PredictionOutputs(target: .folder(folder.path("new/below"))).check(picture)
    #expect(try folder.names() == ["file"])
  }
}
