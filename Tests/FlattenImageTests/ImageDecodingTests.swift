import FlattenFiles
import Foundation
import TestSupport
import Testing

@testable import FlattenImage

private let cases = Fixtures.cases(kinds: ["image_decode"])
  .filter { (try? $0.json()["params"]["as_label"].bool) != true }
private let badPictures = BadInput.entries(kind: "image")

@Suite struct ImageDecodingTests {
  @Test func noKindIsMissing() { #expect(Fixtures.lacking(["image_decode"]).isEmpty) }

  @Test(arguments: cases)
  func decodesLikeTheReference(_ fixture: FixtureCase) throws {
    let file = try #require(try fixture.file("image"))
    let image = try Image.decode(path: file.path).value
    var bgr = image.pixels
    for start in stride(from: 0, to: bgr.count, by: 3) { bgr.swapAt(start, start + 2) }
    try expectEqual(bgr, shape: [image.height, image.width, 3], to: "bgr", of: fixture)
  }

  @Test(.enabled(if: Fixtures.badInputs != nil, "the collection of bad inputs is not present"))
  func theCollectionHoldsPictures() {
    #expect(badPictures.filter { $0.expect == "ok" }.count > 100)
    #expect(badPictures.filter { $0.expect == "error" }.count > 100)
  }

  @Test(
    .enabled(if: Fixtures.badInputs != nil, "the collection of bad inputs is not present"),
    arguments: badPictures)
  func judgesAwkwardFiles(_ entry: BadInput) throws {
    guard let image = try entry.outcome(of: { try Image.decode(path: entry.path) }),
      entry.expect == "ok"
    else { return }
    let json = entry.json
    #expect(image.width == json["width"].int)
    #expect(image.height == json["height"].int)
    if let digest = json["sha256_rgb"].text {
      let accepted = [digest] + json["alt_sha256_rgb"].list.compactMap(\.text)
      #expect(accepted.contains(SHA256.hex(image.pixels)), "other pixels")
    }
    let means = json["mean_rgb"].list.compactMap(\.number)
    for (channel, mean) in means.enumerated() {
      let sum = stride(from: channel, to: image.pixels.count, by: 3)
        .reduce(0) { $0 + Int(image.pixels[$1]) }
      let got = Double(sum) / Double(image.width * image.height)
      #expect(abs(got - mean) <= json["mean_tol"].number ?? 0, "mean of channel \(channel)")
    }
    for probe in json["probes"].list.map(\.ints) where probe.count == 5 {
      let got = image[probe[0], probe[1]]
      for (sample, wanted) in zip([got.red, got.green, got.blue], probe[2...]) {
        #expect(abs(Int(sample) - wanted) <= json["probe_tol"].int ?? 0, "probe \(probe)")
      }
    }
  }

  @Test(.enabled(if: Fixtures.badInputs != nil, "the collection of bad inputs is not present"))
  func anErrorLeavesNoStateBehind() async throws {
    let results = await withTaskGroup(of: [String].self) { group in
      for shift in 0..<4 {
        group.addTask {
          let start = shift * badPictures.count / 4
          let order = badPictures[start...] + badPictures[..<start]
          return order.map { entry in
            let digest = (try? Image.decode(path: entry.path)).map { SHA256.hex($0.value.pixels) }
            return "\(entry): \(digest ?? "refused")"
          }.sorted()
        }
      }
      return await group.reduce(into: []) { $0.append($1) }
    }
    #expect(results.count == 4)
    #expect(Set(results).count == 1, "results depend on order or thread")
  }

  @Test func refusesMorePixelsThanAllowed() throws {
    let image = Sample.image(20, 10)
    for bytes in [try image.encodedAsPNG(), try image.encodedAsJPEG()] {
      #expect(throws: Never.self) {
        try Image.decode(bytes, name: "a", limits: DecodingLimits(pixels: 200))
      }
      let error = #expect(throws: FileError.self) {
        try Image.decode(bytes, name: "a", limits: DecodingLimits(pixels: 199))
      }
      #expect(error?.reason == "is too large: 20 x 10 pixels are more than the limit of 199")
    }
  }

  @Test func refusesFoldersAndMissingFiles() {
    #expect(throws: FileError.self) { try Image.decode(path: "/") }
    #expect(throws: FileError.self) { try Image.decode(path: "/no/such/file.png") }
    #expect(throws: FileError.self) { try Image.decode(path: "/dev/zero") }
    #expect(throws: FileError.self) { try Image.decode(path: "") }
  }

  @Test func refusesLargeFilesUnread() throws {
    let path = FileManager.default.temporaryDirectory
      .appending(path: "flatten-sparse-\(UUID().uuidString).jpg").path
    defer { try? FileManager.default.removeItem(atPath: path) }
    try Data([0xFF, 0xD8, 0xFF, 0xE0]).write(to: URL(filePath: path))
    let handle = try FileHandle(forWritingTo: URL(filePath: path))
    try handle.truncate(atOffset: 200 << 30)
    try handle.close()
    #expect(throws: FileError.self) { try Image.decode(path: path) }
  }

  /// A whole file cut at any byte is refused; a JPEG may lack its last two bytes, with a warning.
  @Test func refusesEveryTruncation() throws {
    let image = Sample.smoothImage(21, 17)
    let png = try image.encodedAsPNG()
    for count in 0..<png.count {
      #expect(throws: FileError.self, "PNG of \(count) bytes") {
        try Image.decode(Array(png.prefix(count)), name: "cut")
      }
    }
    let jpeg = try image.encodedAsJPEG()
    for count in 0..<(jpeg.count - 2) {
      #expect(throws: FileError.self, "JPEG of \(count) bytes") {
        try Image.decode(Array(jpeg.prefix(count)), name: "cut")
      }
    }
    let whole = try Image.decode(jpeg, name: "whole")
    #expect(whole.warnings.isEmpty)
    let unended = try Image.decode(Array(jpeg.dropLast(2)), name: "cut")
    #expect(unended.value == whole.value)
    #expect(unended.warnings == ["cut: the end-of-image marker is missing"])
  }

  /// A sequential picture of one scan a component, the last of which is not there. libjpeg gives
  /// such a component the value 128 without a word.
  @Test(.enabled(if: Fixtures.badInputs != nil, "the collection of bad inputs is not present"))
  func refusesAMissingScan() throws {
    let entry = try #require(badPictures.first { $0.path.hasSuffix("/noninterleaved.jpg") })
    let bytes = [UInt8](try Data(contentsOf: URL(filePath: entry.path)))
    let scans = bytes.indices.dropLast().filter { bytes[$0] == 0xFF && bytes[$0 + 1] == 0xDA }
    try #require(scans.count == 3)
    let error = #expect(throws: FileError.self) {
      try Image.decode(Array(bytes.prefix(scans[2])) + [0xFF, 0xD9], name: "a")
    }
    #expect(error?.reason == "is damaged: a colour component has no data")
  }

  /// Random damage never ends the process, and never gives a picture of another size than its file
  /// says.
  @Test func survivesRandomDamage() throws {
    let image = Sample.smoothImage(19, 13)
    var samples = [try image.encodedAsPNG(), try image.encodedAsJPEG()]
    let labels = Sample.labels(19, 13)
    samples.append(try labels.encoded(as: .palette8(Palette.distinct(count: 20))))
    samples.append(try labels.encoded(as: .grey16))
    let files = try cases.compactMap { try $0.file("image") }
    samples += try files.map { [UInt8](try Data(contentsOf: $0)) }
    samples += badPictures.filter { $0.expect == "ok" }
      .compactMap { try? [UInt8](Data(contentsOf: URL(filePath: $0.path))) }
      .filter { $0.count < 20_000 }
    var generator = SeededGenerator(seed: 20)
    var read = 0
    for round in 0..<4000 {
      var bytes = samples[round % samples.count]
      for _ in 0..<Int.random(in: 1...4, using: &generator) {
        bytes[Int.random(in: 0..<bytes.count, using: &generator)] =
          UInt8.random(in: 0...255, using: &generator)
      }
      if round % 5 == 0 {
        bytes.removeLast(Int.random(in: 0..<bytes.count, using: &generator))
      }
      let limits = DecodingLimits(pixels: 1 << 20)
      if let decoded = try? Image.decode(bytes, name: "damaged", limits: limits) {
        read += 1
        #expect(decoded.value.pixels.count == decoded.value.width * decoded.value.height * 3)
      }
      _ = try? LabelImage.decode(bytes, name: "damaged", limits: limits)
    }
    #expect(read > 0, "no damaged file was read at all: the loop tests nothing but headers")
  }
}
