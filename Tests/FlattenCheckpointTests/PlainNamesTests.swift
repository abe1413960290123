import FlattenTensor
import Testing

@testable import FlattenCheckpoint

@Suite struct PlainNamesTests {
  /// A model of this file: a backbone's names, or those of a net with `first` and `last`.
  private static func isModel(_ names: Set<String>) -> Bool {
    names.contains { $0.hasPrefix("backbone.") } || names.isSuperset(of: ["first.w", "last.w"])
  }

  private func plain(
    _ names: [String], integers: Set<String> = [], outer: Set<String> = ["module", "model"]
  ) -> PlainNames {
    PlainNames(
      names.map { ($0, integers.contains($0) ? [] : [2], !integers.contains($0)) }, outer: outer,
      recognising: Self.isModel)
  }

  @Test(arguments: [
    "", "module.", "_orig_mod.", "model.", "net.", "segmentor.", "module._orig_mod.",
    "model._orig_mod.module.", "net.module.", "_orig_mod.model.", "a.b.c.d.",
  ])
  func whatIsBeforeEveryNameGoes(prefix: String) {
    for names in [["backbone.a", "neck.b", "decode_head.c"], ["first.w", "last.w"]] {
      let result = plain(names.map { prefix + $0 })
      #expect(result.names.map(\.plain) == names)
      #expect(result.names.map(\.index) == Array(names.indices))
      #expect(result.prefix == prefix)
      #expect(result.leftOut == [] && result.places == nil && result.shortenedInside == 0)
    }
  }

  /// A backbone alone may keep its own prefix, and a model's names are not shortened further.
  @Test func aModelsOwnPrefixStays() {
    #expect(
      plain(["backbone.a", "backbone.b"]).names.map(\.plain) == ["backbone.a", "backbone.b"])
    let wrapped = plain(["model.backbone.a", "model.backbone.b"])
    #expect(wrapped.names.map(\.plain) == ["backbone.a", "backbone.b"])
    #expect(wrapped.prefix == "model.")
  }

  @Test func namesThatAreNoModels() {
    // Known wrappers go, another part stays and is named.
    let unknown = plain(["module.body.a", "module.body.b"])
    #expect(unknown.names.map(\.plain) == ["body.a", "body.b"])
    #expect(
      unknown.prefix == "module." && unknown.places == KeyPlaces(names: ["body"], holdModels: false)
    )
    // Not before every name: nothing is guessed, both places are named.
    let two = plain(["student.backbone.a", "teacher.backbone.a", "loss.weight"])
    #expect(two.names.map(\.plain) == ["student.backbone.a", "teacher.backbone.a", "loss.weight"])
    #expect(two.prefix == "" && two.places?.names == ["student", "teacher"])
    let lightning = plain(["model.backbone.a", "model.backbone.b", "criterion.weight"])
    #expect(lightning.prefix == "")
    #expect(lightning.places == KeyPlaces(names: ["model"], holdModels: true))
    #expect(plain(["x.a", "y.b", "model"]).places == nil)
    #expect(plain([]).names == [])
  }

  @Test func aModelOfOnesOwnKeepsWhatMayBeItsOwn() {
    let own = plain(["model.a", "model.b"], outer: ["module"])
    #expect(own.names.map(\.plain) == ["model.a", "model.b"] && own.prefix == "")
    let wrapped = plain(
      ["module._orig_mod.model.a", "module._orig_mod.model.b"], outer: ["module"])
    #expect(wrapped.names.map(\.plain) == ["model.a", "model.b"])
    #expect(wrapped.prefix == "module._orig_mod.")
  }

  @Test(arguments: ["n_averaged", "steps"]) func averagingsCounterIsLeftOut(counter: String) {
    for prefix in ["", "model."] {
      let names = [counter, "module.backbone.a", "module.backbone.b"].map { prefix + $0 }
      let result = plain(names, integers: [prefix + counter])
      #expect(result.names.map(\.plain) == ["backbone.a", "backbone.b"])
      #expect(result.names.map(\.index) == [1, 2])
      #expect(result.prefix == prefix + "module." && result.leftOut == [prefix + counter])
    }
    // A tensor of numbers is no counter, and beside a model's own names nothing is.
    #expect(plain([counter, "module.backbone.a"]).leftOut == [])
    let beside = plain([counter, "backbone.a"], integers: [counter])
    #expect(beside.leftOut == [] && beside.names.count == 2)
  }

  @Test func wrappersInsideNames() {
    let result = plain(["backbone._orig_mod.a", "backbone._fsdp_wrapped_module.b.c", "neck.d"])
    #expect(result.names.map(\.plain) == ["backbone.a", "backbone.b.c", "neck.d"])
    #expect(result.prefix == "" && result.shortenedInside == 2)
    #expect(result.wrappersInside == ["_fsdp_wrapped_module", "_orig_mod"])
    let both = plain(["module.backbone._orig_mod.a", "module.neck.d", "module.neck.e"])
    #expect(both.names.map(\.plain) == ["backbone.a", "neck.d", "neck.e"])
    #expect(both.prefix == "module." && both.shortenedInside == 1)
    // Two tensors never become one.
    let same = plain(["backbone._orig_mod.a", "backbone.a"])
    #expect(same.names.map(\.plain) == ["backbone._orig_mod.a", "backbone.a"])
    // A tensor may be called as it likes.
    #expect(plain(["backbone.a", "_orig_mod"]).names.map(\.plain) == ["backbone.a", "_orig_mod"])
  }

  @Test func averagedCopiesAreLeftOut() {
    for prefix in ["", "module."] {
      let names = [
        "backbone.norm.weight", "backbone.norm.running_mean", "ema_backbone_norm_weight",
        "ema_backbone_other",
      ].map { prefix + $0 }
      let result = plain(names)
      #expect(
        result.names.map(\.plain)
          == ["backbone.norm.weight", "backbone.norm.running_mean", "ema_backbone_other"])
      #expect(result.leftOut == [prefix + "ema_backbone_norm_weight"])
    }
  }

  // MARK: Reading under plain names

  /// Tensors of two elements, each filled with its index.
  private final class Source: ParameterSource {
    let name = "w.pth"
    let parameterShapes: [(name: String, shape: [Int], isFloatingPoint: Bool)]

    init(_ names: [String]) { parameterShapes = names.map { ($0, [2], true) } }

    func read(_ name: String, into buffer: UnsafeMutableBufferPointer<Float>) throws {
      buffer.initialize(
        repeating: Float(parameterShapes.firstIndex { $0.name == name } ?? -1))
    }
  }

  @Test func elementsComeFromTheStoredName() throws {
    let source = Source(["net.ema_backbone_b", "net.backbone.a", "net.backbone.b"])
    let plain = PlainParameters(source, recognising: Self.isModel)
    #expect(plain.parameterShapes.map(\.name) == ["backbone.a", "backbone.b"])
    let tree = ParameterTree(source: plain)
    #expect(try tree.root.tensor("backbone.b", [2]).elements == [2, 2])
    #expect(try tree.root.tensor("backbone.a", [2]).elements == [1, 1])
    try tree.finish(ignoring: [])
    #expect(plain.notes == ["w.pth: every key begins with 'net.', which is taken off"])
    #expect(PlainParameters(Source(["backbone.a"]), recognising: Self.isModel).notes == [])
  }

  @Test func errorsNameThePlaces() throws {
    func text(_ names: [String]) throws -> String {
      let plain = PlainParameters(Source(names), recognising: Self.isModel)
      let error = #expect(throws: ParameterError.self) {
        try plain.explaining {
          let tree = ParameterTree(source: plain)
          _ = try tree.root.tensor("backbone.a", [2])
          try tree.finish(ignoring: [])
        }
      }
      let found = try #require(error)
      #expect(found.summary().count < 500)
      return found.description
    }
    #expect(
      try text(["body.a", "body.b"]).hasSuffix(
        " All its keys are below 'body', which the config's are not. If a wrapper is called so, "
          + "choose it as the container."))
    #expect(
      try text(["student.backbone.a", "teacher.backbone.a"]).hasSuffix(
        " Keys of a model are below 'student' and 'teacher'. Choose the container that is wanted."))
    #expect(try text(["backbone.b"]).hasSuffix("Use the config these weights were trained with."))
  }
}
