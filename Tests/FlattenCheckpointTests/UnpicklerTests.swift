import FlattenFiles
import Foundation
import TestSupport
import Testing

@testable import FlattenCheckpoint

@Suite struct UnpicklerTests {
  private func open(_ bytes: [UInt8], skip: Bool = false) throws -> [String] {
    try bytes.withUnsafeBytes { raw in
      try Checkpoint.open(.memory(raw), name: "test.pth", .init(skipUnknownObjects: skip))
        .entries.map(\.name)
    }
  }

  private func reason(_ bytes: [UInt8], skip: Bool = false) -> String {
    do {
      return "opened: \(try open(bytes, skip: skip))"
    } catch {
      return "\(error)"
    }
  }

  @Test func plainMetadataIsDropped() throws {
    #expect(try open(PickleFile.weights()) == ["w"])
    #expect(try open(PickleFile.weights(extra: Array("](I01\nI-5\nL123L\nF1.5\ne".utf8))) != [])
  }

  /// 99 levels pass, more do not, in each kind of container and however they are put together.
  @Test(arguments: ["list", "tuple", "topDown", "dictionary"])
  func nestingEnds(kind: String) throws {
    func nested(_ depth: Int) -> [UInt8] {
      switch kind {
      case "list":
        return [UInt8](repeating: UInt8(ascii: "]"), count: depth)
          + [UInt8](repeating: UInt8(ascii: "a"), count: depth - 1)
      case "tuple":
        return [UInt8(ascii: ")")] + [UInt8](repeating: 0x85, count: depth - 1)
      case "topDown":
        // Puts each list into its parent first and then fills it, through the memo.
        return Array("]r\0\0\0\0".utf8)
          + (0..<UInt32(depth)).flatMap { index -> [UInt8] in
            let this = withUnsafeBytes(of: index.littleEndian, Array.init)
            let next = withUnsafeBytes(of: (index + 1).littleEndian, Array.init)
            return [UInt8(ascii: "j")] + this + Array("]r".utf8) + next + Array("a0".utf8)
          }
      default:
        return (0..<depth).flatMap { _ in Array("}K\u{1}".utf8) } + [UInt8(ascii: "N")]
          + [UInt8](repeating: UInt8(ascii: "s"), count: depth)
      }
    }
    if kind != "topDown" {
      #expect(try open(PickleFile.weights(extra: nested(90))) == ["w"])
    }
    for depth in [101, 1000, 60_000] {
      let text = reason(PickleFile.weights(extra: nested(depth)))
      #expect(text.contains("nests deeper") || text.contains("already part"), "\(text)")
    }
  }

  /// Each instruction takes the same time however high the stack is: none may copy it.
  ///
  /// Four times as many take four times as long, where copying took sixteen times as long. What counts is
  /// this thread's own time, so that others on the machine do not; and one good measurement of several is
  /// enough, as nothing makes work quicker than it is.
  @Test(arguments: ["}NNs", "]Na", "N20", "(Nt", "}(NNu", "](Ne", "(N1N", "N\u{94}", ")R", "}b"])
  func timeIsLinear(instructions: String) throws {
    let step: [UInt8] =
      switch instructions {
      case ")R": PickleFile.global("collections", "OrderedDict") + Array(")R".utf8)
      case "}b": PickleFile.global("argparse", "Namespace") + [41, 0x81] + Array("}b".utf8)
      case "N\u{94}": [UInt8(ascii: "N"), 0x94]
      default: Array(instructions.utf8)
      }
    func time(_ count: Int) throws -> UInt64 {
      let steps = Array(repeatElement(step, count: count).joined())
      let file = PickleFile.weights(extra: [UInt8(ascii: "(")] + steps + Array("t".utf8))
      let start = threadNanoseconds()
      #expect(try open(file) == ["w"])
      return threadNanoseconds() - start
    }
    var ratios: [Double] = []
    repeat {
      let (few, many) = (try time(6000), try time(24_000))
      try #require(few > 0)
      ratios.append(Double(many) / Double(few))
    } while ratios.last.map { $0 > 8 } == true && ratios.count < 5
    #expect(ratios.contains { $0 <= 8 }, "\(ratios)")
  }

  /// The processor time of the calling thread.
  private func threadNanoseconds() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }

  /// A list given to `list` a million times would be copied a million times.
  @Test func copiesAreCounted() {
    let many = Array("(".utf8) + [UInt8](repeating: UInt8(ascii: "N"), count: 100_000)
    var extra = many + Array("lq\u{1}0".utf8) + PickleFile.global("builtins", "list")
    extra += Array("q\u{2}0(".utf8)
    for _ in 0..<20_000 { extra += Array("h\u{2}h\u{1}".utf8) + [0x85, UInt8(ascii: "R")] }
    extra += Array("t".utf8)
    #expect(reason(PickleFile.weights(extra: extra)).contains("more objects than are read"))
  }

  @Test(arguments: [
    ("os", "system"), ("posix", "system"), ("builtins", "eval"), ("__builtin__", "exec"),
    ("torch", "load"), ("torch.hub", "load"), ("subprocess", "Popen"), ("importlib", "a"),
    ("torch.jit", "x"), ("collections.abc..", "x"), ("collections", "OrderedDict.x"), ("", ""),
    ("collections ", "OrderedDict"), ("cοllections", "OrderedDict"),
  ])
  func namesOfAttacksAreRefusedWithTheOptionToo(module: String, name: String) {
    let file = PickleFile.weights(extra: PickleFile.global(module, name))
    #expect(reason(file).hasPrefix("test.pth: "))
    #expect(throws: FileError.self) { _ = try open(file) }
    #expect(!reason(file, skip: true).hasPrefix("opened"))
  }

  @Test func unknownClassesAreSkippedOnRequest() throws {
    let object = PickleFile.global("my.code", "Thing") + Array(")R}b".utf8)
    let file = PickleFile.weights(extra: object)
    #expect(reason(file).contains("'my.code.Thing'"))
    #expect(throws: UnknownObjectError(path: "test.pth", className: "my.code.Thing")) {
      _ = try open(file)
    }
    #expect(try open(file, skip: true) == ["w"])
  }

  /// Random changes of good files never end the process, and never ask for much memory.
  @Test func mutationsNeverCrash() throws {
    var seeds = [PickleFile.weights(extra: Array("](K\u{1}N)e".utf8))]
    seeds.append(try safetensors([("a", [2, 3], [1, 2, 3, 4, 5, 6]), ("b", [], [1])]))
    seeds += BadInput.all.filter { $0.expectation == "ok" }
      .compactMap { try? Array(Data(contentsOf: URL(filePath: $0.path))) }
      .filter { $0.count < 6000 }
    var random = SplitMix64(state: 20_240_607)
    func below(_ limit: Int) -> Int { Int(random.next() % UInt64(max(limit, 1))) }
    var opened = 0
    for round in 0..<6000 {
      var bytes = seeds[round % seeds.count]
      for _ in 0...below(4) {
        let place = below(bytes.count)
        switch below(6) {
        case 0: bytes = Array(bytes.prefix(place))
        case 1: bytes.insert(UInt8(below(256)), at: place)
        case 2 where !bytes.isEmpty: bytes.remove(at: place)
        case 3 where !bytes.isEmpty: bytes[place] = [0, 0x7F, 0x80, 0xFF][below(4)]
        case _ where !bytes.isEmpty: bytes[place] = UInt8(below(256))
        default: break
        }
      }
      bytes.withUnsafeBytes { raw in
        do {
          let options = Checkpoint.Options(skipUnknownObjects: round % 2 == 0)
          let checkpoint = try Checkpoint.open(.memory(raw), name: "mutant", options)
          opened += 1
          _ = try summary(checkpoint).text
          for entry in checkpoint.entries {
            _ = try checkpoint.read(entry)
            _ = try checkpoint.readBytes(entry)
          }
        } catch {
          #expect(isShort(error, naming: "mutant"), "\(error)")
        }
      }
    }
    // Else the loop would only prove that everything is refused.
    #expect(opened > 100)
  }
}
