import FlattenRegions
import FlattenFiles
import FlattenImage
import FlattenVision
import Foundation
import TestSupport
import Testing

/// A float32 array as numpy writes it, read by a few lines of our own.
struct NumpyArray {
  let shape: [Int]
  let values: [Float]

  struct Problem: Error {}

  init(_ data: Data) throws {
    guard data.prefix(8).elementsEqual([0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59, 1, 0]) else {
      throw Problem()
    }
    let length = Int(data[8]) | Int(data[9]) << 8
    let header = String(decoding: data[10..<(10 + length)], as: UTF8.self)
    guard (10 + length).isMultiple(of: 64), header.hasSuffix("\n"),
      header.contains("'descr': '<f4'"), header.contains("'fortran_order': False"),
      let open = header.firstIndex(of: "("), let close = header.firstIndex(of: ")")
    else { throw Problem() }
    shape = header[open..<close].dropFirst().split(separator: ",").compactMap {
      Int($0.trimmingCharacters(in: .whitespaces))
    }
    let body = Data(data[(10 + length)...])
    guard body.count == shape.reduce(4, *) else { throw Problem() }
    values = body.withUnsafeBytes { raw in
      (0..<(raw.count / 4)).map {
        Float(
          bitPattern: UInt32(
            littleEndian: raw.loadUnaligned(fromByteOffset: $0 * 4, as: UInt32.self)))
      }
    }
  }
}

/// Pictures made by tests.
enum Sample {
  /// Slopes and a checkerboard: no symmetry.
  static func picture(_ width: Int, _ height: Int) -> Image {
    var pixels: [UInt8] = []
    for y in 0..<height {
      for x in 0..<width {
        let check = (x / 8 + y / 8).isMultiple(of: 2)
        pixels += [
          UInt8(x * 255 / max(width - 1, 1)), UInt8(y * 255 / max(height - 1, 1)),
          check ? 40 : 200,
        ]
      }
    }
    return Image(width: width, height: height, pixels: pixels)
  }
}

extension Scratch {
  /// Writes a small picture.
  func makePicture(_ name: String, _ width: Int = 48, _ height: Int = 40) throws {
    try write(Data(Sample.picture(width, height).encodedAsPNG()), to: name)
  }

  func mask(_ name: String) throws -> LabelMap { try LabelImage.decode(path: path(name)).value }
}

extension CommandLineTests {
  @Suite struct PredictTests {
    /// All four scenes with everything that can be asked for.
    @Test func everyOutput() throws {
      let folder = try Scratch()
      let outcome = try Tool.run(
        [
          "predict", Street.folder.appending(path: "images").path, "--output", "out", "--overlay",
          "--confidence", "--logits", "--probabilities", "--json",
        ], in: folder)
      expectSuccess(outcome)
      #expect(outcome.lines.count == 4)
      #expect(folder.files().count == 4 * 6)

      let segmenter = try Segmenter.builtIn()
      for (name, line) in zip(Street.names, outcome.lines) {
        let stem = "out/\(name)"
        let bytes = try folder.read("\(stem).png")
        #expect(bytes[24] == 8 && bytes[25] == 3, "not an 8-bit palette PNG")
        let mask = try folder.mask("\(stem).png")
        let picture = try Image.decode(path: Street.picture(name).path).value
        var options = Segmenter.Options()
        options.keepsConfidence = true
        let wanted = try segmenter.segment(picture, options: options)
        #expect(mask.ids == wanted.labels.ids)
        #expect(mask.width == picture.width && mask.height == picture.height)
        try expectDocument(line, stem: stem, mask: mask)
        try expectScores(folder, stem: stem, mask: mask)
        let confidence = try NumpyArray(folder.read("\(stem).confidence.npy"))
        #expect(confidence.shape == [picture.height, picture.width])
        #expect(confidence.values == wanted.confidence)
        let grey = try folder.mask("\(stem).confidence.png")
        #expect(zip(grey.ids, confidence.values).allSatisfy { abs(Float($0) / 255 - $1) <= 0.002 })

        let overlay = try Image.decode(path: folder.path("\(stem).overlay.jpg")).value
        #expect(overlay.width >= picture.width && overlay.height > picture.height)
      }
    }

    private func expectDocument(_ line: String, stem: String, mask: LabelMap) throws {
      let json = try JSONDecoder().decode(JSONValue.self, from: Data(line.utf8))
      #expect(
        Set(json.fields.keys)
          == [
            "input", "mask", "files", "width", "height", "network_size", "seconds", "classes",
          ])
      #expect(json["mask"].text == "\(stem).png")
      #expect(json["files"].list.count == 6)
      #expect(json["width"].int == mask.width && json["height"].int == mask.height)
      #expect((json["seconds"].number ?? 0) > 0)
      let classes = json["classes"].list
      #expect(abs(classes.reduce(0) { $0 + ($1["share"].number ?? 0) } - 1) < 1e-9)
      var counts: [Int: Int] = [:]
      for id in mask.ids { counts[Int(id), default: 0] += 1 }
      #expect(classes.count == counts.count)
      for entry in classes {
        #expect(entry["pixels"].int == counts[entry["id"].int ?? -1])
        #expect(entry["name"].text?.isEmpty == false)
      }
      let pixels = classes.compactMap { $0["pixels"].int }
      #expect(pixels == pixels.sorted(by: >))
    }

    private func expectScores(_ folder: Scratch, stem: String, mask: LabelMap) throws {
      let logits = try NumpyArray(folder.read("\(stem).logits.npy"))
      let probabilities = try NumpyArray(folder.read("\(stem).probs.npy"))
      #expect(logits.shape == [11, mask.height, mask.width])
      #expect(probabilities.shape == logits.shape)
      let confidence = try NumpyArray(folder.read("\(stem).confidence.npy"))
      let area = mask.width * mask.height
      var (badSums, badWinners, badConfidence, badSoftmax) = (0, 0, 0, 0)
      for pixel in 0..<area {
        let column = (0..<11).map { probabilities.values[$0 * area + pixel] }
        let sum = column.reduce(0, +)
        if !(abs(sum - 1) <= 1e-5) { badSums += 1 }
        let best = column.max() ?? 0
        if !(column[Int(mask.ids[pixel])] >= best - 1e-6) { badWinners += 1 }
        if !(abs(confidence.values[pixel] - best) <= 1e-6) { badConfidence += 1 }
        if pixel.isMultiple(of: 997) {
          let scores = (0..<11).map { Double(logits.values[$0 * area + pixel]) }
          let top = scores.max() ?? 0
          let total = scores.reduce(0) { $0 + exp($1 - top) }
          for (score, share) in zip(scores, column)
          where !(abs(exp(score - top) / total - Double(share)) <= 1e-5) { badSoftmax += 1 }
        }
      }
      #expect(badSums == 0)
      #expect(badWinners == 0)
      #expect(badConfidence == 0)
      #expect(badSoftmax == 0)
    }

    /// Neither threads nor the surroundings have a say in the bytes.
    @Test func sameBytesWhateverTheSurroundings() throws {
      let folder = try Scratch()
      try folder.copy(Street.picture("street_0006"), to: "a.jpg")
      let base = ["predict", "a.jpg", "--overlay", "--confidence", "--output"]
      let runs: [(String, [String], [String: String])] = [
        ("one", ["--threads", "1"], [:]), ("two", ["--threads", "2"], [:]),
        ("three", ["-j", "3"], [:]), ("plain", [], [:]),
        ("c", [], ["LC_ALL": "C", "TZ": "Asia/Tokyo"]),
        ("comma", [], ["LC_ALL": "de_DE.UTF-8", "LANG": "de_DE.UTF-8"]),
        ("bare", [], ["HOME": "", "TMPDIR": "", "PATH": ""]),
      ]
      for (name, options, environment) in runs {
        let outcome = try Tool.run(
          base + [name] + options, in: folder, environment: environment)
        expectSuccess(outcome)
        #expect(
          outcome.lines == [
            "\(name)/a.png", "\(name)/a.confidence.png", "\(name)/a.confidence.npy",
            "\(name)/a.overlay.jpg",
          ])
        for file in folder.files("one") {
          #expect(
            try folder.read("\(name)/\(file)") == folder.read("one/\(file)"), "\(name)/\(file)")
        }
      }
    }

    @Test func windowsScalesAndMirror() throws {
      let folder = try Scratch()
      try folder.copy(Street.picture("street_0003"), to: "a.jpg")
      let whole = try Tool.run(["predict", "a.jpg", "--output", "whole.png"], in: folder)
      expectSuccess(whole)
      #expect(whole.lines == ["whole.png"])
      let reference = try folder.mask("whole.png")
      let ways: [[String]] = [
        ["--mode", "slide", "--crop", "224x256"],
        ["--mode", "slide", "--crop", "256", "--stride", "128x200"],
        ["--flip"], ["--flip", "horizontal", "diagonal"],
        ["--scales", "0.75", "1.25"], ["--scales", "0.5", "--flip"],
        ["--scales", "300x400", "0.8"],
      ]
      for (index, way) in ways.enumerated() {
        let outcome = try Tool.run(
          ["predict", "a.jpg", "--output", "\(index).png"] + way, in: folder)
        expectSuccess(outcome)
        let mask = try folder.mask("\(index).png")
        #expect(mask.width == reference.width && mask.height == reference.height)
        let same = zip(mask.ids, reference.ids).count { $0 == $1 }
        #expect(Double(same) > 0.7 * Double(mask.ids.count), "\(way): \(same) pixels agree")
        #expect(mask.ids != reference.ids, "\(way) had no effect")
      }
    }

    /// `--flip` alone is horizontal, also before a picture; directions may be in any order.
    @Test func flipsInAnyDirection() throws {
      let folder = try Scratch()
      try folder.copy(Street.picture("street_0006"), to: "a.jpg")
      let ways: [[String]] = [
        ["--flip", "a.jpg"], ["a.jpg", "--flip", "horizontal"], ["--flip", "horizontal", "a.jpg"],
        ["--flip", "vertical", "horizontal", "a.jpg"],
        ["a.jpg", "--flip=horizontal", "--flip", "vertical"],
      ]
      var masks: [LabelMap] = []
      for (index, way) in ways.enumerated() {
        expectSuccess(
          try Tool.run(["predict", "--output", "\(index).png"] + way, in: folder))
        masks.append(try folder.mask("\(index).png"))
      }
      #expect(masks[1] == masks[0] && masks[2] == masks[0])
      #expect(masks[3] == masks[4] && masks[3] != masks[0])
    }

    @Test(arguments: [(1, 1), (1, 500), (7, 3), (2000, 33), (31, 32), (33, 65)])
    func oddSizes(width: Int, height: Int) throws {
      let folder = try Scratch()
      try folder.makePicture("a.png", width, height)
      let outcome = try Tool.run(
        ["predict", "a.png", "--output", "out", "--overlay", "--probabilities", "--json"],
        in: folder)
      expectSuccess(outcome)
      let mask = try folder.mask("out/a.png")
      #expect(mask.width == width && mask.height == height)
      #expect(try NumpyArray(folder.read("out/a.probs.npy")).shape == [11, height, width])
      let overlay = try Image.decode(path: folder.path("out/a.overlay.jpg")).value
      #expect(overlay.width >= width && overlay.height >= height)
    }

    /// A panorama longer than a JPEG can be keeps its mask and gets its overlay as PNG, said once.
    @Test func overlaysThatNoJPEGCanHold() throws {
      let folder = try Scratch()
      try folder.makePicture("pano.png", 66_000, 4)
      try folder.makePicture("tower.png", 3, 65_501)
      let outcome = try Tool.run(
        ["predict", "pano.png", "tower.png", "-o", "out", "--overlay", "--json"], in: folder)
      expectSuccess(outcome, isQuiet: false)
      #expect(
        folder.files("out") == ["pano.overlay.png", "pano.png", "tower.overlay.png", "tower.png"])
      let warnings = outcome.errorLines.filter { $0.hasPrefix("warning: ") }
      #expect(
        warnings == [
          "warning: pano.png: no JPEG has more than 65500 pixels a side: such overlays are PNG files"
        ])
      for (name, line) in zip(["pano", "tower"], outcome.lines) {
        let json = try JSONDecoder().decode(JSONValue.self, from: Data(line.utf8))
        let files = ["out/\(name).png", "out/\(name).overlay.png"]
        #expect(json["files"].list.map(\.text) == files)
        let mask = try folder.mask(files[0])
        let overlay = try Image.decode(path: folder.path(files[1])).value
        #expect(mask.width == json["width"].int && mask.height == json["height"].int)
        #expect(overlay.width >= mask.width && overlay.height > mask.height)
      }
      // The next run says what is in its way.
      expectFailure(
        try Tool.run(["predict", "pano.png", "-o", "out", "--overlay"], in: folder), status: 1,
        says: "out/pano.png: exists already")
    }

    /// Colours of overlays are chosen apart from those of masks.
    @Test func paletteOfOverlays() throws {
      let folder = try Scratch()
      try folder.copy(Street.picture("street_0003"), to: "a.jpg")
      for palette in ["dataset", "distinct"] {
        expectSuccess(
          try Tool.run(
            ["predict", "a.jpg", "-o", palette, "--overlay", "--opacity=1", "--palette", palette],
            in: folder))
      }
      expectSuccess(try Tool.run(["predict", "a.jpg", "-o", "plain", "--overlay"], in: folder))
      #expect(try folder.read("dataset/a.png") == folder.read("distinct/a.png"))
      #expect(try folder.read("plain/a.png") == folder.read("distinct/a.png"))
      let mask = try folder.mask("distinct/a.png")
      let own = try Segmenter.builtIn().classes.map(\.colour)
      for (name, colours) in [
        ("dataset", own), ("distinct", Palette.distinct(count: own.count).colours),
      ] {
        let overlay = try Image.decode(path: folder.path("\(name)/a.overlay.jpg")).value
        // Far from any line, where the JPEG is flat.
        var near = 0
        var total = 0
        for y in stride(from: 20, to: mask.height - 20, by: 7) {
          for x in stride(from: 20, to: mask.width - 20, by: 7) {
            let id = mask.ids[y * mask.width + x]
            let around = (-9...9).allSatisfy { step in
              mask.ids[(y + step) * mask.width + x] == id
                && mask.ids[y * mask.width + x + step] == id
            }
            guard around else { continue }
            total += 1
            let (shown, wanted) = (overlay[x, y], colours[Int(id)])
            let apart =
              abs(Int(shown.red) - Int(wanted.red)) + abs(Int(shown.green) - Int(wanted.green))
              + abs(Int(shown.blue) - Int(wanted.blue))
            if apart < 24 { near += 1 }
          }
        }
        #expect(total > 100 && near * 20 > total * 19, "\(name): \(near) of \(total)")
      }
      expectFailure(
        try Tool.run(["predict", "a.jpg", "--palette", "rainbow"], in: folder), status: 2,
        says: "The value 'rainbow' is invalid", "'dataset' and 'distinct'")
    }

    @Test func standardStreams() throws {
      let folder = try Scratch()
      try folder.makePicture("a.png")
      expectSuccess(try Tool.run(["predict", "a.png", "--output", "file.png"], in: folder))
      let through = try Tool.run(["predict", "-", "--output", "-"], in: folder, input: "a.png")
      expectSuccess(through)
      #expect(through.output == (try folder.read("file.png")))
      let named = try Tool.run(["predict", "-", "--output", "out"], in: folder, input: "a.png")
      expectSuccess(named)
      #expect(named.lines == ["out/stdin.png"])

      try folder.write("not a picture", to: "text")
      expectFailure(
        try Tool.run(["predict", "-"], in: folder, input: "text"), status: 3,
        says: "standard input", "not a JPEG or PNG picture")
      expectFailure(
        try Tool.run(["predict", "-"], in: folder, input: "/dev/null"), status: 3,
        says: "standard input", "empty")
      expectFailure(
        try Tool.run(["predict", "-"], in: folder, input: "/dev/zero", timeout: 10), status: 3,
        says: "not a JPEG or PNG picture")
      expectFailure(
        try Tool.shell("exec \"$tool\" predict - < .", in: folder), status: 3,
        says: "standard input: is a directory")
      #expect(!folder.exists("output"))
    }

    @Test func foldersAndLists() throws {
      let folder = try Scratch()
      try folder.makeFolder("in/deep")
      try folder.makePicture("in/b.png")
      try folder.makePicture("in/a.PNG")
      try folder.makePicture("in/deep/a.png")
      try folder.makePicture("in/.hidden.png")
      try folder.write("no picture", to: "in/notes.txt")

      let flat = try Tool.run(["predict", "in", "--output", "flat"], in: folder)
      expectSuccess(flat)
      #expect(flat.lines == ["flat/a.png", "flat/b.png"])
      let deep = try Tool.run(["predict", "in/", "-r", "-o", "deep/"], in: folder)
      expectSuccess(deep)
      #expect(deep.lines == ["deep/a.png", "deep/b.png", "deep/deep/a.png"])
      #expect(folder.files("deep") == ["a.png", "b.png", "deep/a.png"])

      try folder.write("# two pictures\r\nin/b.png\r\n\r\n  in/a.PNG  \n", to: "list.txt")
      let list = try Tool.run(["predict", "--list", "list.txt", "-o", "list"], in: folder)
      expectSuccess(list)
      #expect(list.lines == ["list/b.png", "list/a.png"])
      let piped = try Tool.run(
        ["predict", "--list", "-", "-o", "piped"], in: folder, input: "list.txt")
      #expect(piped.lines == ["piped/b.png", "piped/a.png"])

      try folder.makeFolder("empty")
      expectFailure(
        try Tool.run(["predict", "empty"], in: folder), status: 3,
        says: "no pictures (.jpg, .jpeg, .jpe, .jfif, .png) in empty")
      try folder.write("", to: "nothing.txt")
      expectFailure(
        try Tool.run(["predict", "--list", "nothing.txt"], in: folder), status: 3,
        says: "no pictures")
      expectFailure(
        try Tool.run(["predict", "--list", "absent.txt"], in: folder), status: 3,
        says: "absent.txt: no such file")
      try folder.write(Data([0xFF, 0xFE, 0x41]), to: "binary")
      expectFailure(
        try Tool.run(["predict", "--list", "binary"], in: folder), status: 3,
        says: "binary: is UTF-16 text")
      #expect(!folder.exists("output"))
    }

    @Test func resultsOfOneName() throws {
      let folder = try Scratch()
      try folder.makeFolder("x")
      try folder.makePicture("a.png")
      try folder.makePicture("x/a.png")
      let two = try Tool.run(["predict", "a.png", "x/a.png"], in: folder)
      expectFailure(two, status: 2, says: "'a.png' and 'x/a.png' would both become 'a.png'")
      expectFailure(
        try Tool.run(["predict", "a.png", "a.png"], in: folder), status: 2,
        says: "'a.png' is named twice.")
      expectFailure(
        try Tool.run(["predict", "a.png", "x/a.png", "-o", "b.png"], in: folder), status: 2,
        says: "--output 'b.png' is one file, but 2 pictures are named.")
      // The confidence of one is the mask of the other.
      try folder.makePicture("x/a.confidence.png")
      expectFailure(
        try Tool.run(["predict", "x", "--confidence"], in: folder), status: 1,
        says: "output/a.confidence.png", "x/a.png", "x/a.confidence.png")
      #expect(!folder.exists("output"))
    }

    @Test func existingResults() throws {
      let folder = try Scratch()
      try folder.makePicture("a.png")
      try folder.makePicture("b.png")
      expectSuccess(try Tool.run(["predict", "a.png"], in: folder))
      try folder.write("precious", to: "output/a.png")

      expectFailure(
        try Tool.run(["predict", "a.png"], in: folder), status: 1,
        says: "output/a.png", "--overwrite", "--skip-existing")
      let mixed = try Tool.run(["predict", "a.png", "b.png"], in: folder)
      #expect(mixed.status == 5)
      #expect(mixed.lines == ["output/b.png"])
      #expect(mixed.messages.suffix(2) == ["1 of 2 pictures failed:", "  a.png"])
      let skipped = try Tool.run(["predict", "a.png", "b.png", "--skip-existing"], in: folder)
      #expect(skipped.status == 0)
      #expect(skipped.text == "")
      #expect(skipped.messages == ["kept: output/a.png", "kept: output/b.png"])
      #expect(try folder.read("output/a.png") == Data("precious".utf8))
      // Not the mask alone is protected.
      try folder.write("precious", to: "output/c.overlay.jpg")
      try folder.makePicture("c.png")
      expectFailure(
        try Tool.run(["predict", "c.png", "--overlay"], in: folder), status: 1,
        says: "output/c.overlay.jpg: exists already")
      #expect(!folder.exists("output/c.png"))

      let replaced = try Tool.run(["predict", "a.png", "--overwrite", "--quiet"], in: folder)
      expectSuccess(replaced)
      #expect(try folder.mask("output/a.png").ids == folder.mask("output/b.png").ids)
      #expect(folder.files("output") == ["a.png", "b.png", "c.overlay.jpg"])
    }

    @Test func outputsThatCannotBe() throws {
      let folder = try Scratch()
      try folder.makePicture("a.png")
      let original = try folder.read("a.png")
      try folder.write("a file", to: "file")
      let cases: [(String, String)] = [
        ("a.png", "a.png: is one of the pictures itself"),
        (".", "a.png: is one of the pictures itself"),
        ("file", "file: is a file, a folder is wanted here"),
        ("file/x", "file/x"),
        ("missing/mask.png", "missing/mask.png: its folder does not exist"),
        ("/proc/mask.png", "/proc/mask.png"),
        ("/proc/x", "/proc/x"),
        ("/dev/null", "/dev/null: is a file, a folder is wanted here"),
        ("/dev/full", "/dev/full: is a file, a folder is wanted here"),
      ]
      for (output, message) in cases {
        expectFailure(
          try Tool.run(
            ["predict", "a.png", "--overwrite", "--overlay", "--output", output], in: folder),
          status: 1, says: message)
      }
      try folder.makeFolder("folder.png")
      let inside = try Tool.run(["predict", "a.png", "--output", "folder.png"], in: folder)
      #expect(inside.lines == ["folder.png/a.png"])
      #expect(try folder.read("a.png") == original)
      #expect(folder.files() == ["a.png", "file", "folder.png/a.png"])
      // A result beside another of the pictures that has its name.
      try folder.makePicture("a.overlay.jpg")
      try folder.makePicture("b.png")
      expectFailure(
        try Tool.run(
          ["predict", "folder.png/a.png", "a.overlay.jpg", "-o", ".", "--overlay", "--overwrite"],
          in: folder), status: 1, says: "is one of the pictures itself")
    }

    @Test(.enabled(if: getuid() != 0, "root may write everywhere"))
    func withoutPermission() throws {
      let folder = try Scratch()
      try folder.makePicture("a.png")
      try folder.makeFolder("locked")
      try FileManager.default.setAttributes(
        [.posixPermissions: 0o500], ofItemAtPath: folder.path("locked"))
      expectFailure(
        try Tool.run(["predict", "a.png", "--output", "locked"], in: folder), status: 1,
        says: "locked: permission denied")
      try FileManager.default.setAttributes(
        [.posixPermissions: 0], ofItemAtPath: folder.path("a.png"))
      expectFailure(
        try Tool.run(["predict", "a.png"], in: folder), status: 3,
        says: "a.png: permission denied")
    }

    @Test func oneBadPictureStopsNoBatch() throws {
      let folder = try Scratch()
      for name in ["a", "c", "d"] { try folder.makePicture("\(name).png") }
      let whole = try folder.read("a.png")
      try folder.write(whole.prefix(whole.count / 2), to: "b.png")
      let batch = try Tool.run(
        ["predict", "a.png", "b.png", "gone.png", "c.png", "d.png", "-o", "out"], in: folder)
      #expect(batch.status == 5 && !batch.isSignalled)
      #expect(batch.lines == ["out/a.png", "out/c.png", "out/d.png"])
      #expect(folder.files("out") == ["a.png", "c.png", "d.png"])
      #expect(
        batch.messages.suffix(3) == ["2 of 5 pictures failed:", "  gone.png", "  b.png"])
      #expect(batch.errorLines.contains("error: gone.png: no such file"))
      #expect(batch.errorLines.contains { $0.hasPrefix("error: b.png: is damaged") })

      expectFailure(
        try Tool.run(["predict", "b.png", "-o", "alone"], in: folder), status: 3,
        says: "b.png: is damaged")
      expectFailure(
        try Tool.run(["predict", "gone.png", "also-gone.jpg"], in: folder), status: 3,
        says: "gone.png: no such file", "also-gone.jpg: no such file")
      expectFailure(
        try Tool.run(["predict", "a.png", "--max-pixels", "1919", "-o", "alone"], in: folder),
        status: 3, says: "a.png: is too large")
      #expect(!folder.exists("alone") && !folder.exists("output"))
    }

    @Test func verboseTellsWhatComputes() throws {
      let folder = try Scratch()
      try folder.makePicture("a.png")
      let outcome = try Tool.run(["predict", "a.png", "-v", "-j", "1"], in: folder)
      expectSuccess(outcome, isQuiet: false)
      #expect(outcome.lines == ["output/a.png"])
      for word in ["FLatten-PVTv2-B0", "11 classes", "instruction set"] {
        #expect(outcome.errors.contains(word))
      }
    }

    /// Machines that share the work do each picture once; names that collide are found whichever part is taken.
    @Test func shards() throws {
      let folder = try Scratch()
      try folder.makeFolder("in")
      for index in 0..<5 { try folder.makePicture("in/\(index).png", 40, 36) }
      let parts = try ["1/2", "2/2"].map { shard in
        try Tool.run(["predict", "in", "-o", "out", "--shard", shard], in: folder)
      }
      parts.forEach { expectSuccess($0) }
      #expect(parts[0].lines == ["out/0.png", "out/2.png", "out/4.png"])
      #expect(parts[1].lines == ["out/1.png", "out/3.png"])
      let beyond = try Tool.run(["predict", "in", "-o", "out", "--shard", "6/6"], in: folder)
      expectSuccess(beyond)
      #expect(beyond.lines == [])
      try folder.makeFolder("x")
      try folder.makePicture("x/1.png", 40, 36)
      expectFailure(
        try Tool.run(["predict", "in/0.png", "in/1.png", "x/1.png", "--shard", "1/3"], in: folder),
        status: 2, says: "would both become '1.png'")
    }
  }
}
