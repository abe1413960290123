import Foundation
import TestSupport
import Testing

extension CommandLineTests {
  /// `Tools/lib/setup.sh` on systems that lack something: a folder of made-up commands is all of its PATH.
  @Suite struct SetupTests {
    private let folder: Scratch

    init() throws {
      folder = try Scratch()
      try folder.makeFolder("a repository/Tools/lib")
      try folder.makeFolder("bin")
      try folder.copy(
        Fixtures.repository.appending(path: "Tools/lib/setup.sh"),
        to: "a repository/Tools/lib/setup.sh")
      try folder.write("// swift-tools-version: 6.2\n", to: "a repository/Package.swift")
      let tools = ["sed", "sort", "head", "tail", "readlink", "dirname", "basename", "env", "cat"]
      for tool in tools {
        let path = try #require(
          ["/usr/bin", "/bin"].map { "\($0)/\(tool)" }.first(
            where: FileManager.default.isExecutableFile(atPath:)))
        try FileManager.default.createSymbolicLink(
          atPath: folder.path("bin/\(tool)"), withDestinationPath: path)
      }
      try command("uname", "echo Linux")
      try command("id", "echo 1000")
      try command("ldd", "exit 1")
      try command("git", "")
      try command("pkg-config", "")
    }

    /// Makes a command of a shell script, in which `$here` is the folder of all of them.
    private func command(_ name: String, _ script: String) throws {
      try folder.write("#!/bin/bash\nhere=\(folder.path("bin"))\n\(script)\n", to: "bin/\(name)")
      try FileManager.default.setAttributes(
        [.posixPermissions: 0o755], ofItemAtPath: folder.path("bin/\(name)"))
    }

    private func swift(_ version: String) throws {
      try command("swift", "echo \"Swift version \(version) (swift-\(version)-RELEASE)\"")
    }

    /// Sources the script, says `ready` after it, and returns what came of it.
    ///
    /// - Parameter words: stand before the shell.
    private func setUp(behind words: [String] = []) throws -> Tool.Outcome {
      try Tool.run(
        executable: "/usr/bin/env",
        words + [
          "PATH=\(folder.path("bin"))", "HOME=\(folder.path("home"))", "/bin/bash", "-c",
          "cd 'a repository'; set -eu; . Tools/lib/setup.sh; echo ready",
        ], in: folder, timeout: 30)
    }

    /// A toolchain unpacked on a system that has neither its libraries nor a linker, until `installed` is there.
    private func unpackedToolchain() throws {
      try command(
        "swift",
        """
        if [ -e "$here/installed" ]; then echo "Swift version 6.3.1 (swift-6.3.1-RELEASE)"; exit; fi
        echo "swift: error while loading shared libraries: libncurses.so.6: cannot open" >&2
        exit 127
        """)
      try command(
        "ldd",
        """
        case $1 in
          */swift-frontend) printf '\\tlibncurses.so.6 => not found\\n\\tlibc.so.6 => /lib/libc.so.6 (0x1)\\n' ;;
          */swift-build) printf '\\tlibcurl.so.4 => not found\\n\\tlibncurses.so.6 => not found\\n' ;;
          */lld) printf '\\tlibodd.so.3 => not found\\n' ;;
        esac
        """)
      try command("clang", "echo \"${1#-print-file-name=}\"")
      try command(
        "apt-cache",
        """
        [ "$1" = search ] || exit 1
        printf 'libstdc++-9-dev - old\\nlibstdc++-13-dev - new\\nlibstdc++-12-dev - older\\n'
        """)
      try command(
        "apt-get",
        """
        echo "$@" >> "$here/apt.log"
        if [ "$1" = install ]; then > "$here/installed"; fi
        """)
      try command("pkg-config", "[ -e \"$here/installed\" ]")
    }

    private let packages =
      "libcurl4 libncurses6 binutils libgcc-13-dev libstdc++-13-dev libopenblas-dev libjpeg-dev libpng-dev"

    @Test func withoutRootTheCommandIsSaid() throws {
      try unpackedToolchain()
      let outcome = try setUp()
      #expect(outcome.status == 1 && outcome.text == "")
      #expect(
        outcome.errorLines == [
          "Swift does not start yet: swift: error while loading shared libraries: libncurses.so.6: "
            + "cannot open",
          "warning: Swift needs libodd.so.3, which is missing; install the package that has it",
          "error: packages are missing. As root, run: apt-get update && "
            + "apt-get install -y --no-install-recommends \(packages)",
        ])
      #expect(!folder.exists("bin/apt.log"))
    }

    @Test func asRootTheyAreInstalled() throws {
      try unpackedToolchain()
      try command("id", "echo 0")
      let outcome = try setUp()
      #expect(outcome.status == 0 && outcome.text == "ready\n", "\(outcome.errors)")
      #expect(
        String(decoding: try folder.read("bin/apt.log"), as: UTF8.self).split(separator: "\n") == [
          "update -qq", "install -y -qq --no-install-recommends \(packages)",
        ])
      // The second time there is nothing to do.
      try command("ldd", "exit 0")
      try command("clang", "echo \"$here/clang\"")
      try command("ld", "")
      try command("apt-get", "echo again >> \"$here/apt.log\"")
      #expect(try setUp().status == 0)
      #expect(!String(decoding: try folder.read("bin/apt.log"), as: UTF8.self).contains("again"))
    }

    /// Lists of packages that were cleaned away, as in images for containers.
    @Test func withoutListsACompilerBringsAll() throws {
      try unpackedToolchain()
      try command("apt-cache", "")
      #expect(try setUp().errors.contains(" libncurses6 binutils g++ libopenblas-dev"))
    }

    /// Start files are there, the C++ library that belongs to them is not.
    @Test func theVersionIsThatOfTheFilesThatAreThere() throws {
      try unpackedToolchain()
      try folder.makeFolder("gcc/11")
      try folder.write("", to: "gcc/11/crtbeginS.o")
      try command(
        "clang",
        """
        case $1 in
          *=crtbeginS.o) echo "\(folder.path("gcc/11/crtbeginS.o"))" ;;
          *) echo "${1#-print-file-name=}" ;;
        esac
        """)
      #expect(try setUp().errors.contains(" libgcc-11-dev libstdc++-11-dev "))
    }

    @Test func aSwiftThatFailsOnShowsItsMessage() throws {
      try command("swift", "echo 'no such luck' >&2; exit 3")
      let outcome = try setUp()
      #expect(outcome.status == 1)
      #expect(outcome.errorLines.last == "error: 'swift --version' fails: no such luck")
    }

    @Test(arguments: [("6.1.2", false), ("6.2", true), ("6.10", true), ("7.0", true)])
    func versions(version: String, isEnough: Bool) throws {
      try swift(version)
      let outcome = try setUp()
      #expect((outcome.status == 0) == isEnough, "\(outcome.errors)")
      if !isEnough {
        #expect(
          outcome.errors.hasPrefix(
            "error: Swift 6.2 or later is needed, this is \(version). Get it from "))
      }
    }

    /// Swiftly's folder is in the PATH of login shells only.
    @Test func swiftIsFoundInItsUsualPlace() throws {
      try folder.makeFolder("home/.local/share/swiftly/bin")
      try swift("6.3.1")
      try FileManager.default.moveItem(
        atPath: folder.path("bin/swift"), toPath: folder.path("home/.local/share/swiftly/bin/swift")
      )
      let outcome = try setUp()
      #expect(outcome.status == 0 && outcome.text == "ready\n", "\(outcome.errors)")
    }

    @Test(.enabled(if: ContainerTests.canLoseProc, "this user cannot unmount /proc"))
    func withoutProcSwiftCannotStart() throws {
      try swift("6.3.1")
      let outcome = try setUp(behind: ContainerTests.withoutProc + ["env"])
      #expect(outcome.status == 1 && outcome.text == "")
      #expect(
        outcome.errors
          == "error: Swift needs /proc, which is not mounted. As root, run: mount -t proc proc /proc\n"
      )
    }
  }
}
