import FlattenImage
import Foundation
import TestSupport
import Testing

extension CommandLineTests {
  /// What containers and batch systems leave out: threads, processors, `/proc`, files without a name.
  @Suite(.enabled(if: !Tool.isSanitized, "a sanitizer needs threads and /proc itself"))
  struct ContainerTests {
    /// Words before a command, under which it can start no thread and no process.
    ///
    /// The limit counts all processes of a user, and is none for root: so another one takes its place.
    private static let alone: [String] =
      (geteuid() == 0 ? ["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups"] : [])
      + ["prlimit", "--nproc=1"]

    /// Words before a command, under which there is no `/proc`.
    static let withoutProc = [
      "unshare", "--mount", "sh", "-c", "umount -l /proc && exec \"$@\"", "sh",
    ]

    /// Whether a command can be run behind such words here.
    private static func isPossible(_ words: [String]) -> Bool {
      guard let folder = try? Scratch(),
        let outcome = try? Tool.run(executable: "/usr/bin/env", words + ["true"], in: folder)
      else { return false }
      return outcome.status == 0
    }

    private static let canBeAlone = isPossible(alone)
    static let canLoseProc = isPossible(withoutProc)
    private static let canBind = isPossible(["taskset", "-c", firstProcessor])

    /// A processor that this process may use.
    private static let firstProcessor: String = {
      let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
      let line = status.split(separator: "\n").first { $0.hasPrefix("Cpus_allowed_list:") } ?? ""
      return String(line.drop { !$0.isNumber }.prefix { $0.isNumber })
    }()

    /// Runs the binary behind some words.
    private func run(
      _ words: [String], _ arguments: [String], in folder: Scratch, timeout: Double = 60
    ) throws -> Tool.Outcome {
      try Tool.run(
        executable: "/usr/bin/env", words + [Tool.path] + arguments, in: folder, timeout: timeout)
    }

    /// A folder that any user may use, with pictures, and the binary where any user may run it.
    private func openFolder() throws -> (Scratch, binary: String) {
      let folder = try Scratch()
      try folder.copy(URL(filePath: Tool.path), to: "binary")
      for (name, mode) in [("binary", 0o755), ("", 0o777)] {
        try FileManager.default.setAttributes(
          [.posixPermissions: mode], ofItemAtPath: folder.path(name))
      }
      for name in ["a.png", "b.png", "c.png"] { try folder.makePicture(name, 60, 40) }
      return (folder, folder.path("binary"))
    }

    // MARK: No threads

    @Test(
      .enabled(if: canBeAlone, "this system cannot limit a user's processes"),
      arguments: [[], ["-j", "1"], ["-j", "8"]])
    func withoutThreadsItComputesAlone(options: [String]) throws {
      let (folder, binary) = try openFolder()
      let usual = try Tool.run(
        ["predict", "a.png", "b.png", "c.png", "-o", "usual"], in: folder)
      expectSuccess(usual)
      let pictures = ["predict", "a.png", "none.png", "b.png", "c.png", "-o", "alone"]
      let outcome = try Tool.run(
        executable: "/usr/bin/env", Self.alone + [binary] + pictures + options, in: folder,
        timeout: 60)
      #expect(outcome.status == 5 && !outcome.isSignalled, "\(outcome.errors)")
      #expect(outcome.lines == ["alone/a.png", "alone/b.png", "alone/c.png"])
      if options == ["-j", "8"] {
        #expect(outcome.errors.contains("warning: 1 of 8 threads could be started"))
      }
      for name in ["a.png", "b.png", "c.png"] {
        #expect(try folder.read("alone/\(name)") == folder.read("usual/\(name)"))
      }
    }

    @Test(.enabled(if: canBeAlone, "this system cannot limit a user's processes"))
    func withoutProcessesTheTableOfModelsEnds() throws {
      let (folder, binary) = try openFolder()
      let street = Fixtures.repository.appending(path: "Configs/street/flatten_pvtv2_b0.yaml")
      try folder.copy(street, to: "street.yaml")
      let outcome = try Tool.run(
        executable: "/usr/bin/env",
        Self.alone + [
          binary, "bench", "--all", "--configs", "street.yaml", "--size", "32", "--repeat", "1",
        ], in: folder, timeout: 60)
      #expect(outcome.status == 1 && !outcome.isSignalled)
      #expect(outcome.errors.contains("error: this program could not be started once more: "))
    }

    // MARK: Few processors

    @Test(.enabled(if: canBind, "taskset is not installed"))
    func threadsFollowTheAffinityMask() throws {
      let folder = try Scratch()
      let outcome = try run(
        ["taskset", "-c", Self.firstProcessor],
        ["bench", "--size", "32", "--repeat", "1", "--json"], in: folder)
      expectSuccess(outcome)
      struct Document: Decodable { let threads: Int }
      #expect(try JSONDecoder().decode(Document.self, from: outcome.output).threads == 1)
    }

    // MARK: No /proc

    @Test(.enabled(if: canLoseProc, "this user cannot unmount /proc"))
    func argumentsAreSeenWithoutProc() throws {
      let folder = try Scratch()
      try folder.makePicture("ä b.png", 40, 40)
      let usual = try Tool.run(["predict", "ä b.png", "-o", "usual"], in: folder)
      let outcome = try run(Self.withoutProc, ["predict", "ä b.png", "-o", "out"], in: folder)
      expectSuccess(usual)
      expectSuccess(outcome)
      #expect(outcome.lines == ["out/ä b.png"])
      #expect(folder.files("out") == ["ä b.png"])
      #expect(try folder.read("out/ä b.png") == folder.read("usual/ä b.png"))

      let wrong = try run(Self.withoutProc, ["predict", "--no-such-option"], in: folder)
      let usualWrong = try Tool.run(["predict", "--no-such-option"], in: folder)
      #expect(wrong.status == usualWrong.status && wrong.status != 0)
      #expect(wrong.errors == usualWrong.errors)
      let help = try run(Self.withoutProc, [], in: folder)
      #expect(help.text == (try Tool.run([], in: folder)).text && help.status == 0)
    }

    @Test(
      .enabled(if: canLoseProc, "this user cannot unmount /proc"),
      arguments: [
        ["inspect", "weights.safetensors"], ["convert", "weights.safetensors", "new.safetensors"],
        ["info", "--config", "street.yaml"], ["datasets"], ["attention", "a.png"],
        ["init", "--config", "street.yaml", "random.safetensors"],
        ["bench", "--all", "--configs", "street.yaml", "--size", "32", "--repeat", "1"],
      ])
    func commandsWorkWithoutProc(arguments: [String]) throws {
      let folder = try Scratch()
      let street = Fixtures.repository.appending(path: "Configs/street")
      try folder.copy(street.appending(path: "flatten_pvtv2_b0.yaml"), to: "street.yaml")
      try folder.copy(
        street.appending(path: "flatten_pvtv2_b0.safetensors"), to: "weights.safetensors")
      try folder.makePicture("a.png", 64, 64)
      let outcome = try run(Self.withoutProc, arguments, in: folder)
      #expect(outcome.status == 0 && !outcome.isSignalled, "\(outcome.errors)")
      #expect(!folder.files().contains { $0.contains(".flatten-seg.") })
    }

    // MARK: Temporary names

    /// A run in a place without nameless files, at a moment when a file has a temporary name; its process.
    private func runAmidFile(_ folder: Scratch, ignoring signal: String? = nil) throws -> Run {
      try folder.makeFolder("in")
      try folder.copy(Street.picture("street_0000"), to: "in/0.jpg")
      for index in 1..<60 {
        try FileManager.default.createSymbolicLink(
          atPath: folder.path("in/\(index).jpg"), withDestinationPath: folder.path("in/0.jpg"))
      }
      let ignoring = signal.map { ["sh", "-c", "trap '' \($0); exec \"$@\"", "sh"] } ?? []
      let run = try Run(
        executable: "/usr/bin/env",
        Self.withoutProc + ignoring + [
          Tool.path, "predict", "in", "-o", "out", "--logits", "--probabilities", "--quiet",
        ], in: folder)
      for _ in 0..<60_000 where run.isRunning && temporaryFiles(folder).isEmpty { usleep(500) }
      return run
    }

    private func temporaryFiles(_ folder: Scratch) -> [String] {
      ((try? FileManager.default.contentsOfDirectory(atPath: folder.path("out"))) ?? [])
        .filter { $0.hasPrefix(".") }
    }

    @Test(
      .enabled(if: canLoseProc, "this user cannot unmount /proc"),
      arguments: [SIGTERM, SIGHUP, SIGINT])
    func signalsLeaveNoTemporaryFiles(signal: Int32) throws {
      let folder = try Scratch()
      let run = try runAmidFile(folder)
      #expect(run.isRunning && !temporaryFiles(folder).isEmpty)
      let process = run.process.processIdentifier
      kill(process, signal)
      if signal == SIGINT {
        usleep(5_000)
        kill(process, signal)
      }
      let outcome = try run.finish(timeout: 30)
      if signal == SIGINT {
        #expect(outcome.status == 130 && !outcome.isSignalled)
      } else {
        // What a shell calls 128 + signal.
        #expect(outcome.status == signal && outcome.isSignalled)
      }
      #expect(temporaryFiles(folder) == [])
      for file in folder.files("out") where file.hasSuffix(".npy") {
        #expect(try NumpyArray(folder.read("out/\(file)")).shape == [11, 360, 480])
      }
    }

    @Test(.enabled(if: canLoseProc, "this user cannot unmount /proc"))
    func anIgnoredHangUpStaysIgnored() throws {
      let folder = try Scratch()
      let run = try runAmidFile(folder, ignoring: "HUP")
      let process = run.process.processIdentifier
      kill(process, SIGHUP)
      usleep(200_000)
      #expect(run.isRunning)
      kill(process, SIGTERM)
      let outcome = try run.finish(timeout: 30)
      #expect(outcome.status == SIGTERM && outcome.isSignalled)
      #expect(temporaryFiles(folder) == [])
    }

    /// Nothing can be done as a process is killed; the next one that writes there clears up.
    @Test(
      .enabled(if: canLoseProc, "this user cannot unmount /proc"), arguments: [false, true])
    func theNextRunRemovesWhatAKilledOneLeft(isInTheSamePlace: Bool) throws {
      let folder = try Scratch()
      let run = try runAmidFile(folder)
      kill(run.process.processIdentifier, SIGKILL)
      let outcome = try run.finish(timeout: 30)
      #expect(outcome.isSignalled && outcome.status == SIGKILL)
      #expect(!temporaryFiles(folder).isEmpty)
      try folder.write("x", to: "out/.flatten-seg.\(getpid()).abcdef")
      let words = isInTheSamePlace ? Self.withoutProc : []
      let next = try self.run(
        words, ["predict", "in/59.jpg", "-o", "out", "--overwrite"], in: folder)
      expectSuccess(next)
      // This process lives.
      #expect(temporaryFiles(folder) == [".flatten-seg.\(getpid()).abcdef"])
    }
  }
}
