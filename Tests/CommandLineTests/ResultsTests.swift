import FlattenRegions
import Foundation
import TestSupport
import Testing

extension CommandLineTests {
  /// Where results go and what is said of them: names, what exists, readers that leave, the last line.
  @Suite struct ResultsTests {
    private let street = Fixtures.repository
      .appending(path: "Configs/street/flatten_pvtv2_b0.yaml").path
    private let weights = Fixtures.repository
      .appending(path: "Configs/street/flatten_pvtv2_b0.safetensors").path

    /// Pictures `in/0.png`, `in/1.png`, ...
    private func pictures(_ count: Int, in folder: Scratch, _ side: Int = 48) throws {
      try folder.makeFolder("in")
      for index in 0..<count { try folder.makePicture("in/\(index).png", side, side - 8) }
    }

    // MARK: Names

    /// A name that promises something else than what would be written is refused before anything is done.
    @Test func namesThatPromiseSomethingElse() throws {
      let folder = try Scratch()
      try folder.makePicture("a.png")
      try folder.write("", to: "w.pth")
      let eval = ["eval", "--data", "set", "--dataset", "folder", "--classes", "3"]
      let cases: [([String], String, String)] = [
        (["predict", "a.png", "-o", "result.jpg"], "a PNG", "result.png"),
        (["predict", "a.png", "-o", "result.JPEG"], "a PNG", "result.png"),
        (["predict", "a.png", "-o", "result.tiff", "--overlay"], "a PNG", "result.png"),
        (["predict", "a.png", "-o", "result.npy", "--logits"], "a PNG", "result.png"),
        (["attention", "a.png", "-o", "map.webp"], "a PNG", "map.png"),
        (["attention", "a.png", "--matrix", "m.csv"], "a numpy array", "m.npy"),
        (["convert", "w.pth", "b.pth"], "safetensors", "b.safetensors"),
        (["convert", "w.pth", "b.onnx"], "safetensors", "b.safetensors"),
        (["init", "--config", street, "b.PT"], "safetensors", "b.safetensors"),
        (eval + ["-o", "scores.json"], "a table of text", "scores.txt"),
        (eval + ["-o", "scores.csv", "--format", "json"], "JSON", "scores.json"),
        (eval + ["--confusion", "m.png"], "CSV", "m.csv"),
        (eval + ["--confusion-picture", "m.jpg"], "a PNG", "m.png"),
      ]
      for (arguments, content, name) in cases {
        let outcome = try Tool.run(arguments, in: folder)
        expectFailure(
          outcome, status: 2,
          says: "would hold \(content), which is not what its name says. Name it '\(name)'")
      }
      #expect(folder.files() == ["a.png", "w.pth"])
    }

    /// What is called like a file may yet be a folder, and a name without a known suffix says nothing.
    @Test func namesThatPromiseNothing() throws {
      let folder = try Scratch()
      try folder.makePicture("a.png")
      try folder.makeFolder("there.jpg")
      for output in ["there.jpg", "new.jpg/", "v1.2", "run.2024-05-01"] {
        let outcome = try Tool.run(["predict", "a.png", "-o", output], in: folder)
        expectSuccess(outcome)
        #expect(outcome.lines == [(output + "/a.png").replacing("//", with: "/")])
      }
      expectSuccess(try Tool.run(["convert", weights, "weights"], in: folder))
      expectSuccess(
        try Tool.run(["attention", "a.png", "--no-rank", "-o", "map.jpg"], in: folder))
      #expect(try folder.read("map.jpg").prefix(2) == Data([0xFF, 0xD8]))
    }

    // MARK: What exists

    @Test func nothingIsReplacedUnasked() throws {
      let folder = try Scratch()
      for name in ["set/images", "set/labels", "masks"] { try folder.makeFolder(name) }
      try folder.makePicture("set/images/a.png", 8, 6)
      for name in ["set/labels/a.png", "masks/a.png"] {
        try LabelMap(width: 8, height: 6, ids: (0..<48).map { UInt16($0 % 3) })
          .write(to: folder.path(name), as: .grey8)
      }
      let eval = [
        "eval", "--data", "set", "--dataset", "folder", "--classes", "3", "--predictions", "masks",
        "-q",
      ]
      let cases: [([String], String)] = [
        (["init", "--config", street, "w.safetensors"], "w.safetensors"),
        (["convert", weights, "c.safetensors"], "c.safetensors"),
        (eval + ["-o", "scores.txt"], "scores.txt"),
        (eval + ["--confusion", "matrix.csv"], "matrix.csv"),
        (eval + ["--confusion-picture", "matrix.png"], "matrix.png"),
      ]
      for (arguments, file) in cases {
        try folder.write("precious", to: file)
        expectFailure(
          try Tool.run(arguments, in: folder), status: 1,
          says: "\(file): exists already; give --overwrite to replace it")
        #expect(try folder.read(file) == Data("precious".utf8), "\(file)")
        expectSuccess(try Tool.run(arguments + ["--overwrite"], in: folder))
        #expect(try folder.read(file) != Data("precious".utf8), "\(file)")
        try FileManager.default.removeItem(atPath: folder.path(file))
        expectSuccess(try Tool.run(arguments, in: folder))
        #expect(folder.exists(file))
      }
      // The input is kept whatever is asked for.
      try folder.copy(URL(filePath: weights), to: "same.safetensors")
      expectFailure(
        try Tool.run(
          ["convert", "same.safetensors", "same.safetensors", "--overwrite"], in: folder),
        status: 1, says: "same.safetensors: is the input itself")
    }

    // MARK: Readers that leave

    /// 141, as of a program that SIGPIPE ends, wherever results were left untold.
    @Test func aReaderThatLeaves() throws {
      let folder = try Scratch()
      try pictures(8, in: folder, 160)
      _ = try Tool.shell(
        "{ \"$tool\" predict in -o out; echo $? > status; } | head -1", in: folder)
      #expect(try folder.read("status") == Data("141\n".utf8))
      let masks = folder.files("out").count
      #expect((1..<8).contains(masks), "\(masks) of 8")
      for command in [
        "--help", "datasets ade20k", "predict in/0.png -o -", "predict in -o b --json", "info",
        "attention in/0.png -o - --no-rank",
      ] {
        let outcome = try Tool.shell(
          "{ sleep 0.3; \"$tool\" \(command); echo $? > status; } | true", in: folder)
        #expect(try folder.read("status") == Data("141\n".utf8), "\(command)")
        #expect(!outcome.errors.contains("error"), "\(command): \(outcome.errors)")
      }
    }

    /// A reader that stays to the end, or has seen all, is none that left.
    @Test func aReaderThatStays() throws {
      let folder = try Scratch()
      try pictures(3, in: folder)
      for (index, command) in [
        "predict in -o a", "predict in/0.png -o -", "datasets", "info --json",
      ].enumerated() {
        _ = try Tool.shell(
          "{ \"$tool\" \(command); echo $? > status\(index); } | cat > /dev/null", in: folder)
        #expect(try folder.read("status\(index)") == Data("0\n".utf8), "\(command)")
      }
    }

    // MARK: Interrupts

    /// Under nohup and in the background of scripts interrupts are ignored, and stay so.
    @Test func anIgnoredInterruptStaysIgnored() throws {
      let folder = try Scratch()
      try pictures(12, in: folder, 200)
      let outcome = try Tool.shell(
        """
        trap '' INT
        "$tool" predict in -o out & id=$!
        n=0; while [ ! -e out/0.png ] && [ $n -lt 200 ]; do sleep 0.05; n=$((n + 1)); done
        kill -INT $id; kill -INT $id; wait $id; echo $? > status
        """, in: folder)
      #expect(try folder.read("status") == Data("0\n".utf8), "\(outcome.errors)")
      #expect(folder.files("out").count == 12)
      #expect(!outcome.errors.contains("interrupted"))
    }

    // MARK: The last line

    @Test func aBatchEndsWithOneLine() throws {
      let folder = try Scratch()
      try pictures(3, in: folder)
      func last(_ outcome: Tool.Outcome) -> String {
        (outcome.errorLines.last ?? "").replacing(#/\d+\.\d/#, with: "N")
      }
      let all = try Tool.run(["predict", "in", "-o", "out"], in: folder)
      #expect(all.lines == ["out/0.png", "out/1.png", "out/2.png"])
      #expect(all.errorLines.count == 1)
      #expect(last(all) == "3 pictures, 0 failed, N s, N a second, results in out")
      let kept = try Tool.run(["predict", "in", "-o", "out", "--skip-existing"], in: folder)
      #expect(last(kept) == "3 pictures, 3 kept, 0 failed, N s, results in out")
      try folder.write("no picture", to: "in/1.png")
      let some = try Tool.run(["predict", "in", "gone.png", "-o", "b"], in: folder)
      #expect(some.status == 5)
      #expect(last(some) == "4 pictures, 2 failed, N s, N a second, results in b")
      // One picture is no batch; and with --quiet results and errors are all.
      for arguments in [
        ["predict", "in/0.png", "-o", "c"], ["predict", "in/0.png", "in/2.png", "-o", "d", "-q"],
      ] {
        #expect(try Tool.run(arguments, in: folder).errors == "")
      }
    }

    /// On a terminal each path has a line of its own, whatever was shown of the progress before.
    @Test func pathsAreNotGluedToTheProgress() throws {
      let folder = try Scratch()
      try pictures(6, in: folder, 120)
      let text = try onTerminal(["predict", "in", "-o", "out"], in: folder)
      #expect(text.contains(" of 6, "), "there is a progress line")
      // What a terminal shows: a carriage return with the code that clears the line begins it anew.
      let shown = text.replacing("\r\n", with: "\n").split(separator: "\n").map { line in
        String(line.replacing("\r\u{1B}[K", with: "\u{0}").split(separator: "\u{0}").last ?? "")
      }
      for index in 0..<6 { #expect(shown.contains("out/\(index).png"), "\(shown)") }
      #expect(shown.last?.hasPrefix("6 pictures, 0 failed, ") == true)
    }

    /// What a program writes on a terminal of its own, both streams.
    private func onTerminal(_ arguments: [String], in folder: Scratch) throws -> String {
      // A pair of pseudo-terminals by hand: Swift does not see posix_openpt and what goes with it. The two
      // requests are TIOCSPTLCK and TIOCGPTN.
      let terminal = open("/dev/ptmx", O_RDWR | O_NOCTTY)
      try #require(terminal >= 0)
      defer { close(terminal) }
      var (lock, number): (CInt, CInt) = (0, 0)
      try #require(ioctl(terminal, 0x4004_5431, &lock) == 0)
      try #require(ioctl(terminal, 0x8004_5430, &number) == 0)
      let screen = FileHandle(
        fileDescriptor: open("/dev/pts/\(number)", O_RDWR | O_NOCTTY), closeOnDealloc: true)
      try #require(screen.fileDescriptor >= 0)
      // Few lines: they fit the terminal's buffer until they are read.
      let run = try Run(arguments, in: folder, environment: ["TERM": "xterm"], screen: screen)
      #expect(try run.finish().status == 0)
      var text: [UInt8] = []
      var piece = [UInt8](repeating: 0, count: 1 << 16)
      _ = fcntl(terminal, F_SETFL, O_NONBLOCK)
      while true {
        let got = read(terminal, &piece, piece.count)
        guard got > 0 else { break }
        text += piece[..<got]
      }
      return String(decoding: text, as: UTF8.self)
    }
  }
}
