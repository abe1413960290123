import FlattenImage
import Foundation
import TestSupport
import Testing

extension CommandLineTests {
  /// What no file can hold: names, devices, limits, closed streams, signals.
  @Suite struct SurroundingsTests {
    private let street = Fixtures.repository
      .appending(path: "Configs/street/flatten_pvtv2_b0.yaml").path
    private let weights = Fixtures.repository
      .appending(path: "Configs/street/flatten_pvtv2_b0.safetensors").path

    /// A name in place of a picture, a checkpoint, a config and a data set's description.
    private func readers(of name: String) -> [([String], Int32)] {
      [
        (["predict", name], 3), (["inspect", name], 3), (["info", "--config", name], 3),
        (["predict", "a.png", "--config", street, "--weights", name], 3),
        (["predict", "--list", name], 3),
        (["convert", name, "out.safetensors"], 3),
      ]
    }

    @Test func notFiles() throws {
      let folder = try Scratch()
      try folder.makePicture("a.png")
      #expect(
        try Tool.shell(
          """
          mkfifo pipe; ln -s loop loop; ln -s nowhere dangling; ln -s /dev/zero zeros
          """, in: folder
        ).status == 0)
      let before = folder.files()
      for name in ["pipe", "/dev/zero", "/dev/null", "zeros"] {
        for (arguments, status) in readers(of: name) {
          expectFailure(
            try Tool.run(arguments, in: folder, timeout: 20), status: status,
            says: "\(name): is not a regular file")
        }
      }
      for (name, reason) in [
        ("loop", "too many symbolic links"), ("dangling", "no such file"),
        ("absent", "no such file"), ("", "not a file name"),
        (String(repeating: "n", count: 255), "no such file"),
        (String(repeating: "n", count: 256), "the name is too long"),
        ("a.png/x", "not a directory"), ("line\nend\u{1B}[31m", "line\\nend\\u{1b}[31m: no such"),
      ] {
        for (arguments, status) in readers(of: name) where !(name.isEmpty && arguments.count > 2) {
          expectFailure(try Tool.run(arguments, in: folder), status: status, says: reason)
        }
      }
      // A folder of pictures is an input of predict alone.
      try folder.makeFolder("folder")
      for (arguments, status) in readers(of: "folder").dropFirst() {
        expectFailure(
          try Tool.run(arguments, in: folder), status: status, says: "folder: is a folder")
      }
      #expect(folder.files() == before)
    }

    @Test func sockets() throws {
      let folder = try Scratch()
      let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
      defer { close(descriptor) }
      var address = sockaddr_un()
      address.sun_family = sa_family_t(AF_UNIX)
      // Relative, for a socket's name is short.
      let name = "/tmp/flatten-\(getpid()).socket"
      withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name.utf8) }
      defer { unlink(name) }
      let bound = withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
        }
      }
      try #require(bound == 0)
      for (arguments, status) in readers(of: name) where arguments[1] != "a.png" {
        let outcome = try Tool.run(arguments, in: folder, timeout: 20)
        expectFailure(outcome, status: status, says: name)
      }
    }

    @Test func hugeSparseFiles() throws {
      let folder = try Scratch()
      let heads: [(String, [UInt8], [String])] = [
        ("huge.jpg", [0xFF, 0xD8, 0xFF, 0xE0], ["predict"]),
        ("huge.pth", [0x50, 0x4B, 3, 4], ["inspect"]),
        ("huge.safetensors", [0x10, 0, 0, 0, 0, 0, 0, 0, 0x7B], ["inspect"]),
        ("huge.yaml", Array("name: x\n".utf8), ["info", "--config"]),
        ("huge.txt", Array("a.png\n".utf8), ["predict", "--list"]),
      ]
      for (name, head, command) in heads {
        try folder.write(Data(head), to: name)
        guard truncate(folder.path(name), 200 << 30) == 0 else { continue }
        let words = (command + [name]).joined(separator: " ")
        let outcome = try Tool.shell(
          "\(Tool.boundingMemory(kilobytes: 1_500_000)) exec \"$tool\" \(words)", in: folder,
          timeout: 20)
        expectFailure(outcome, status: command == ["inspect"] ? 4 : 3, says: name)
        let seconds = Tool.isOptimised ? 5.0 : 15
        #expect(outcome.seconds < seconds, "\(name): \(outcome.seconds) s")
      }
    }

    @Test func safetensorsHeaderBeyondTheLimit() throws {
      let folder = try Scratch()
      var bytes = Data(repeating: 0x20, count: 8 + 100_000_001)
      for (index, byte) in [0x01, 0xE1, 0xF5, 0x05].enumerated() { bytes[index] = UInt8(byte) }
      for index in 4..<8 { bytes[index] = 0 }
      bytes[8] = 0x7B
      bytes[bytes.count - 1] = 0x7D
      try folder.write(bytes, to: "header.safetensors")
      expectFailure(
        try Tool.run(["inspect", "header.safetensors"], in: folder), status: 4,
        says: "header.safetensors", "100000001", "100000000")
    }

    @Test func strangeNames() throws {
      let folder = try Scratch()
      let names = [
        "with space.png", "-dash.png", "quote'\".png", "ä.png", "a\u{308}.png", "日本.png", "#.png",
        String(repeating: "n", count: 251) + ".png", "line\nend.png", "escape\u{1B}[31m.png",
      ]
      try folder.makeFolder("in")
      for name in names { try folder.makePicture("in/\(name)", 8, 8) }
      // A name that is no text.
      #expect(
        try Tool.shell(
          "cp 'in/with space.png' \"$(printf 'in/\\377.png')\"", in: folder
        ).status == 0)
      let outcome = try Tool.run(["predict", "in", "-o", "out"], in: folder)
      #expect(outcome.status == 5)
      #expect(isPrintable(outcome.text) && isPrintable(outcome.errors))
      #expect(outcome.lines.contains("out/escape\\u{1b}[31m.png"))
      #expect(outcome.errors.contains("the name is not UTF-8. Rename the file."))
      #expect(outcome.lines.count == names.count)
      let raw = try Tool.shell(
        "exec \"$tool\" predict \"$(printf 'in/\\377.png')\"", in: folder)
      expectFailure(raw, status: 3, says: "no such file")
      // The mask's name fits, its overlay's does not: nothing of the picture remains.
      let long = names[7]
      expectFailure(
        try Tool.run(["predict", "in/\(long)", "-o", "long", "--overlay"], in: folder), status: 1,
        says: "the name is too long")
      #expect(folder.files("long") == [])
    }

    @Test func links() throws {
      let folder = try Scratch()
      try folder.makeFolder("in/deep")
      try folder.makePicture("in/a.png")
      try folder.makePicture("outside.png")
      #expect(
        try Tool.shell(
          """
          ln -s ../outside.png in/b.png; ln -s .. in/deep/up; ln -s ../in in/deep/again
          ln -s self in/self.png
          """, in: folder
        ).status == 0)
      let outcome = try Tool.run(["predict", "in", "-r", "-o", "out"], in: folder, timeout: 60)
      #expect(outcome.lines == ["out/a.png", "out/b.png"])
      #expect(outcome.status == 5)
      #expect(outcome.messages.last == "  in/self.png")

      // In a data set too, loops end.
      try folder.makeFolder("set/images/x")
      try folder.makeFolder("set/labels")
      #expect(try Tool.shell("ln -s .. set/images/x/up", in: folder).status == 0)
      expectFailure(
        try Tool.run(
          ["eval", "--data", "set", "--dataset", "folder", "--classes", "11"], in: folder,
          timeout: 20), status: 3, says: "set/images")
    }

    @Test func closedStreams() throws {
      let folder = try Scratch()
      try folder.makePicture("a.png")
      try folder.makePicture("b.png")
      func status(_ script: String) throws -> Int32 {
        let outcome = try Tool.shell(script, in: folder)
        #expect(!outcome.isSignalled && outcome.status < 128, "\(script): \(outcome.errors)")
        #expect(!outcome.errors.contains("Fatal"), "\(outcome.errors)")
        return outcome.status
      }
      #expect(try status("\"$tool\" predict a.png -o 1 >&-") == 0)
      #expect(try status("\"$tool\" predict a.png b.png -o 2 --json >&- 2>&- <&-") == 0)
      #expect(try folder.mask("1/a.png").ids == folder.mask("2/a.png").ids)
      #expect(try status("\"$tool\" datasets >&-") == 0)
      #expect(try status("\"$tool\" predict a.png -o - >&-") == 0)
      #expect(try status("\"$tool\" predict none.png 2>&-") == 3)
      #expect(try status("\"$tool\" predict none.png 2>/dev/full") == 3)
      for command in ["--help", "datasets", "predict a.png -o -"] {
        let outcome = try Tool.shell("\"$tool\" \(command) > /dev/full", in: folder)
        expectFailure(
          outcome, status: 1, says: "standard output: no space left on the device")
      }
    }

    @Test(.enabled(if: !Tool.isSanitized, "a sanitizer's own needs are beyond these limits"))
    func limitsOfTheSystem() throws {
      let folder = try Scratch()
      try folder.makePicture("a.png", 200, 200)
      for files in [16, 8] {
        let outcome = try Tool.shell(
          "ulimit -n \(files); exec \"$tool\" predict a.png -o n\(files)", in: folder)
        #expect(outcome.status == 0, "\(outcome.errors)")
      }
      expectFailure(
        try Tool.shell(
          "ulimit -f 1; exec \"$tool\" predict a.png -o f --logits --overlay", in: folder),
        status: 1, says: "f/a.", "file too large")
      #expect(folder.files("f") == [])
      for kilobytes in [2_000_000, 600_000, 450_000, 300_000] {
        let outcome = try Tool.shell(
          "ulimit -v \(kilobytes); exec \"$tool\" predict a.png -o v\(kilobytes)", in: folder,
          timeout: 20)
        #expect(!outcome.isSignalled && outcome.status < 128, "\(kilobytes): \(outcome.errors)")
        if outcome.status != 0 {
          expectFailure(outcome, status: 1, says: "memory")
          #expect(folder.files("v\(kilobytes)") == [])
        }
      }
      expectFailure(
        try Tool.shell("ulimit -v 300000; exec \"$tool\" predict a.png -o v", in: folder),
        status: 1, says: "threads need", "Give fewer --threads or raise the limit")
    }

    /// Another process cuts the file again and again while it is read.
    @Test func filesCutWhileRead() throws {
      let folder = try Scratch()
      try folder.write(Data(contentsOf: URL(filePath: weights)), to: "whole")
      try folder.copy(Street.picture("street_0000"), to: "whole.jpg")
      let outcome = try Tool.shell(
        """
        cp whole w; cp whole.jpg p.jpg
        ( while [ ! -e stop ]; do cp whole w; cp whole.jpg p.jpg; : > w; : > p.jpg; done ) &
        worst=0
        for run in 1 2 3 4 5 6 7 8; do
          "$tool" inspect w > /dev/null 2>> log; status=$?
          [ $status -gt $worst ] && worst=$status
          "$tool" predict p.jpg --overwrite > /dev/null 2>> log; status=$?
          [ $status -gt $worst ] && worst=$status
        done
        touch stop; wait; exit $worst
        """, in: folder)
      #expect([0, 3, 4].contains(outcome.status), "status \(outcome.status)")
      let log = String(decoding: try folder.read("log"), as: UTF8.self)
      for line in log.split(separator: "\n") {
        #expect(line.hasPrefix("error: w: ") || line.hasPrefix("error: p.jpg: "), "\(line)")
      }
    }

    /// Many pictures, of which none is done in no time.
    private func batch() throws -> Scratch {
      let folder = try Scratch()
      try folder.makeFolder("in")
      try folder.copy(Street.picture("street_0000"), to: "in/0.jpg")
      for index in 1..<60 {
        try FileManager.default.createSymbolicLink(
          atPath: folder.path("in/\(index).jpg"), withDestinationPath: folder.path("in/0.jpg"))
      }
      return folder
    }

    private func waitForFirst(_ run: Run, _ folder: Scratch) {
      for _ in 0..<600 where run.isRunning && folder.files("out").isEmpty {
        Thread.sleep(forTimeInterval: 0.05)
      }
    }

    @Test func interrupt() throws {
      let folder = try batch()
      let run = try Run(
        ["predict", "in", "--output", "out", "--json", "--confidence"], in: folder)
      waitForFirst(run, folder)
      kill(run.process.processIdentifier, SIGINT)
      let outcome = try run.finish(timeout: Tool.isOptimised ? 10 : 60)
      #expect(outcome.status == 130 && !outcome.isSignalled)
      // What was begun is whole, the rest is not there.
      let done = outcome.lines.count
      #expect((1..<60).contains(done))
      #expect(outcome.errorLines.last == "interrupted after \(done) of 60 pictures")
      #expect(folder.files("out").count == done * 3)
      #expect(folder.files("out").allSatisfy { !$0.hasPrefix(".") })
      let first = try folder.read("out/0.png")
      for file in folder.files("out") where !file.contains("confidence") {
        #expect(try folder.read("out/\(file)") == first)
      }
      // What is left is done by asking again.
      let half = try Tool.run(
        ["predict", "in/0.jpg", "in/59.jpg", "-o", "out", "--skip-existing"], in: folder)
      #expect(half.status == 0)
      #expect(half.messages == ["kept: out/0.png"])
    }

    @Test(arguments: [SIGINT, SIGTERM, SIGHUP, SIGKILL])
    func ended(by signal: Int32) throws {
      let folder = try batch()
      let run = try Run(
        ["predict", "in", "-o", "out", "--logits", "--probabilities", "--overlay"], in: folder)
      waitForFirst(run, folder)
      // The second interrupt stops at once.
      if signal == SIGINT {
        kill(run.process.processIdentifier, SIGINT)
        Thread.sleep(forTimeInterval: 0.02)
      }
      kill(run.process.processIdentifier, signal)
      let outcome = try run.finish(timeout: 30)
      if signal == SIGINT {
        #expect(outcome.status == 130 && !outcome.isSignalled)
      } else {
        #expect(outcome.isSignalled && outcome.status == signal)
      }
      let files = folder.files("out")
      for file in files {
        #expect(!file.hasPrefix("."), "\(file) is left")
        if file.hasSuffix(".npy") {
          #expect(try NumpyArray(folder.read("out/\(file)")).shape == [11, 360, 480])
        } else {
          _ = try Image.decode(path: folder.path("out/\(file)"))
        }
      }
    }

    @Test func interruptedEvaluationHasNoScores() throws {
      let folder = try Scratch()
      for name in ["images", "annotations"] { try folder.makeFolder("set/\(name)") }
      for index in 0..<600 {
        try FileManager.default.createSymbolicLink(
          atPath: folder.path("set/images/\(index).jpg"),
          withDestinationPath: Street.picture("street_0000").path)
        try FileManager.default.createSymbolicLink(
          atPath: folder.path("set/annotations/\(index).png"),
          withDestinationPath: Street.folder.appending(path: "annotations/street_0000.png").path)
      }
      let run = try Run(["eval", "--data", "set", "--output", "scores.txt"], in: folder)
      Thread.sleep(forTimeInterval: Tool.isOptimised ? 1.5 : 4)
      kill(run.process.processIdentifier, SIGINT)
      let outcome = try run.finish(timeout: Tool.isOptimised ? 10 : 60)
      expectInterrupted(outcome)
      #expect(!folder.exists("scores.txt"))
    }

    private func expectInterrupted(_ outcome: Tool.Outcome) {
      #expect(outcome.status == 130 && !outcome.isSignalled)
      #expect(outcome.text == "")
      #expect(outcome.errors.contains("interrupted after "))
      #expect(outcome.errors.contains("no scores, they would not be the set's"))
    }
  }
}
