import FlattenImage
import FlattenRegions
import Foundation
import TestSupport
import Testing

extension CommandLineTests {
  /// Labels as people have them: what is wrong with them is told.
  @Suite struct LabelsTests {
    /// A data set of pictures and labels of 8x6 pixels, and masks for it.
    private func set(labels: [UInt16], masks: [UInt16]? = nil) throws -> Scratch {
      let folder = try Scratch()
      for name in ["images", "labels", "masks"] { try folder.makeFolder(name) }
      try folder.makePicture("images/a.png", 8, 6)
      try LabelMap(width: 8, height: 6, ids: labels)
        .write(to: folder.path("labels/a.png"), as: .grey8)
      try LabelMap(width: 8, height: 6, ids: masks ?? labels)
        .write(to: folder.path("masks/a.png"), as: .grey8)
      return folder
    }

    private func check(_ options: String...) -> [String] {
      ["datasets", "check", "folder", "."] + options
    }

    private func eval(_ options: String...) -> [String] {
      ["eval", "--dataset", "folder", "--data", ".", "--predictions", "masks"] + options
    }

    // MARK: What looks wrong

    @Test func labelsOf0And255() throws {
      let folder = try set(
        labels: (0..<48).map { $0 < 40 ? 0 : 255 }, masks: .init(repeating: 0, count: 48))
      let checked = try Tool.run(check("--classes", "2"), in: folder)
      #expect(checked.status == 0)
      #expect(
        checked.lines.suffix(3) == [
          "  class_0: 83.33 %", "  class_1: 0.0 %", "  not scored: 16.67 %",
        ]
      )
      let scored = try Tool.run(eval("--classes", "2"), in: folder)
      #expect(scored.status == 0 && scored.text.contains("mIoU"))
      for outcome in [checked, scored] {
        #expect(outcome.errors.contains("warning: the labels hold 0 and 255 alone"))
        #expect(outcome.errors.contains("'class_1' has no pixel"))
        #expect(outcome.errors.contains("label_map: [[255, 1]]"))
      }
      expectSuccess(try Tool.run(check("--classes", "2", "--quiet"), in: folder))

      // The remedy that is named is one.
      try folder.write(
        """
        name: cracks
        images: {folder: images}
        labels: {folder: labels, label_map: [[255, 1]]}
        classes: [sound, crack]
        """, to: "cracks.yaml")
      let mended = try Tool.run(["datasets", "check", "cracks.yaml", "."], in: folder)
      expectSuccess(mended)
      #expect(
        mended.lines.suffix(3) == ["  sound: 83.33 %", "  crack: 16.67 %", "  not scored: 0.0 %"])
    }

    @Test func mostPixelsNotScored() throws {
      let folder = try set(labels: (0..<48).map { $0 < 30 ? 255 : UInt16($0 % 3) })
      let scored = try Tool.run(eval("--classes", "4"), in: folder)
      #expect(scored.status == 0)
      #expect(scored.errors.contains("warning: the class 'class_3' has no pixel in the labels."))
      #expect(
        scored.errors.contains("warning: 62.5 % of the labels' pixels are not scored (id 255)"))
      expectSuccess(try Tool.run(eval("--classes", "4", "-q"), in: folder))
    }

    // MARK: Ids that begin at 1

    @Test func predictionsOfTheOfficialForm() throws {
      let labels = (0..<48).map { UInt16($0 % 3) }
      // The last class is not predicted: nothing is out of range.
      let folder = try set(labels: labels, masks: labels.map { $0 == 2 ? 0 : $0 + 1 })
      let hinted = try Tool.run(eval("--classes", "3", "--format", "csv"), in: folder)
      #expect(hinted.status == 0)
      #expect(hinted.errors.contains("would fit if their ids were one less"))
      #expect(hinted.errors.contains("--prediction-offset -1 shifts them"))

      let shifted = try Tool.run(
        eval("--classes", "3", "--prediction-offset", "-1", "--format", "json"), in: folder)
      #expect(shifted.status == 0)
      let report = try JSONDecoder().decode(JSONValue.self, from: shifted.output)
      #expect(report["classes"].list.map { $0["IoU"].number } == [100, 100, 0])
      #expect(shifted.errors.contains("33.3 % of the scored pixels have no class"))
      #expect(!shifted.errors.contains("--prediction-offset"))

      // With the last class an id is out of range: refused, and the same is advised.
      try LabelMap(width: 8, height: 6, ids: labels.map { $0 + 1 })
        .write(to: folder.path("masks/a.png"), as: .grey8)
      expectFailure(
        try Tool.run(eval("--classes", "3"), in: folder), status: 3, says: "masks/a.png",
        "the id 3 (16 pixels, first at x 2, y 0); expected 0 to 2", "--prediction-offset -1")
      let perfect = try Tool.run(
        eval("--classes", "3", "--prediction-offset=-1", "--format", "csv", "-q"), in: folder)
      expectSuccess(perfect)
      #expect(perfect.lines.last == "mean,100.0,100.0,100.0,100.0,100.0,100.0")
      expectFailure(
        try Tool.run(
          eval("--classes", "2", "--prediction-offset", "-1"),
          in: set(
            labels: .init(repeating: 1, count: 48), masks: .init(repeating: 5, count: 48))),
        status: 3, says: "the id 5", "expected 1 to 2")
    }

    // MARK: EXIF

    /// A picture stored as 8x6 that is 6x8 upright, and a label as the picture is stored.
    private func turned(labelIsUpright: Bool) throws -> Scratch {
      let folder = try Scratch()
      for name in ["images", "labels", "masks"] { try folder.makeFolder(name) }
      let block = Exif.block(6, big: true, type: 4, after: 70)
      try folder.write(
        Data(Exif.inserted(block, intoJPEG: try Sample.picture(8, 6).encodedAsJPEG())),
        to: "images/a.jpg")
      let (width, height) = labelIsUpright ? (6, 8) : (8, 6)
      let label = LabelMap(width: width, height: height, ids: (0..<48).map { UInt16($0 % 2) })
      try label.write(to: folder.path("labels/a.png"), as: .grey8)
      try label.write(to: folder.path("masks/a.png"), as: .grey8)
      return folder
    }

    @Test func aLabelThatIsNotTurned() throws {
      let folder = try turned(labelIsUpright: false)
      let refused = try Tool.run(check("--classes", "2", "-q"), in: folder)
      #expect(refused.status == 3)
      #expect(
        refused.lines == [
          "./labels/a.png: the label is 8x6 pixels, its picture 6x8, turned by its EXIF orientation. "
            + "Read it as it is stored, or turn the label. --exif ignore reads both as they are stored."
        ])
      expectSuccess(
        try Tool.run(check("--classes", "2", "-q", "--exif", "ignore"), in: folder))
      expectSuccess(
        try Tool.run(eval("--classes", "2", "-q", "--exif", "ignore"), in: folder))
    }

    @Test func aLabelThatIsTurned() throws {
      let folder = try turned(labelIsUpright: true)
      expectSuccess(try Tool.run(check("--classes", "2", "-q"), in: folder))
      let refused = try Tool.run(check("--classes", "2", "-q", "--exif", "ignore"), in: folder)
      #expect(refused.status == 3 && refused.text.contains("as its EXIF orientation is ignored"))
      #expect(refused.text.contains("Leave --exif ignore out."))
    }

    /// Turned by half, or square: the sizes say nothing.
    @Test(arguments: [(3, 8, 6), (6, 8, 8)])
    func aLabelThatMayBeTurned(orientation: Int, width: Int, height: Int) throws {
      let folder = try Scratch()
      for name in ["images", "labels"] { try folder.makeFolder(name) }
      let block = Exif.block(UInt16(orientation), big: false)
      try folder.write(
        Data(
          Exif.inserted(block, intoJPEG: try Sample.picture(width, height).encodedAsJPEG())),
        to: "images/a.jpg")
      let label = LabelMap(
        width: width, height: height, ids: (0..<width * height).map { UInt16($0 % 2) })
      try label.write(to: folder.path("labels/a.png"), as: .grey8)
      let checked = try Tool.run(check("--classes", "2"), in: folder)
      #expect(checked.status == 0)
      #expect(checked.errors.contains("1 picture is turned by EXIF orientation"))
      #expect(checked.errors.contains("label of ./images/a.jpg is turned too"))
      // A label with an orientation of its own is turned with the picture.
      let bytes = Exif.inserted(block, intoPNG: try label.encoded(as: .grey8), late: false)
      try folder.write(Data(bytes), to: "labels/a.png")
      expectSuccess(try Tool.run(check("--classes", "2"), in: folder))
    }

    @Test func orientationsAreIgnoredOnRequest() throws {
      let folder = try turned(labelIsUpright: true)
      for (options, size) in [([], [6, 8]), (["--exif", "ignore"], [8, 6])] {
        let outcome = try Tool.run(
          ["predict", "images/a.jpg", "--json", "--overwrite"] + options, in: folder)
        expectSuccess(outcome)
        let document = try JSONDecoder().decode(JSONValue.self, from: outcome.output)
        #expect([document["width"].int, document["height"].int] == size)
        let mask = try folder.mask("output/a.png")
        #expect([mask.width, mask.height] == size)
        let drawn = try Tool.run(
          ["attention", "images/a.jpg", "--json", "--no-rank", "--overwrite"] + options, in: folder)
        #expect(drawn.status == 0)
        let attention = try JSONDecoder().decode(JSONValue.self, from: drawn.output)
        #expect(attention["point"]["x"].int == size[0] / 2)
        #expect(attention["point"]["y"].int == size[1] / 2)
      }
    }

    // MARK: Colours

    @Test func labelsOfColours() throws {
      let folder = try set(labels: .init(repeating: 0, count: 48))
      try folder.write(
        """
        name: fields
        images: {folder: images}
        labels: {folder: labels, encoding: palette, ignore_color: [0, 0, 0]}
        classes:
          0: ground
          1: {name: roof, color: [200, 0, 0]}
          2: {name: road, color: [100, 100, 100]}
        """.replacing("0: ground", with: "0: {name: ground, color: [0, 200, 0]}"),
        to: "fields.yaml")
      let colours: [[UInt8]] = [[0, 200, 0], [200, 0, 0], [100, 100, 100], [0, 0, 0]]
      let picture = Image(width: 8, height: 6, pixels: (0..<48).flatMap { colours[$0 % 4] })
      try folder.write(Data(picture.encodedAsPNG()), to: "labels/a.png")
      let checked = try Tool.run(["datasets", "check", "fields.yaml", "."], in: folder)
      expectSuccess(checked)
      #expect(
        checked.lines.suffix(4)
          == ["  ground: 25.0 %", "  roof: 25.0 %", "  road: 25.0 %", "  not scored: 25.0 %"])

      let stray = Image(
        width: 8, height: 6,
        pixels: (0..<48).flatMap { $0 == 21 ? [101, 100, 100] : colours[$0 % 4] })
      try folder.write(Data(stray.encodedAsPNG()), to: "labels/a.png")
      let refused = try Tool.run(["datasets", "check", "fields.yaml", ".", "-q"], in: folder)
      #expect(refused.status == 3)
      #expect(
        refused.text.contains(
          "./labels/a.png: holds the colour [101, 100, 100] (1 pixel, first at x 5, y 2)"))
    }

    // MARK: Many problems

    @Test func equalCausesAreToldTogether() throws {
      let folder = try set(labels: .init(repeating: 0, count: 48))
      for index in 0..<7 { try folder.makePicture("images/p\(index).png", 8, 6) }
      try folder.write("no picture", to: "images/a.png")
      let grouped = try Tool.run(check("--classes", "2", "-q"), in: folder)
      #expect(grouped.status == 3)
      #expect(
        grouped.lines == [
          "./images/p0.png: has no label: ./labels/p0.png is not there. Add it, or remove the picture.",
          "  the same of 6 others: ./images/p1.png, ./images/p2.png, ./images/p3.png, ...",
          "./images/a.png: is a text, not a JPEG or PNG picture: 'no picture'",
        ])
      #expect(grouped.errorLines == ["error: .: 8 problems"])
      let all = try Tool.run(check("--classes", "2", "-q", "--all"), in: folder)
      #expect(all.lines.count == 8 && all.lines.allSatisfy { $0.hasPrefix("./images/") })
    }
  }
}
