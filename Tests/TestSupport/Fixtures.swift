import Foundation

/// Where the golden cases live, and how a test finds the ones it understands.
///
/// The folder is `FLATTEN_FIXTURES` where that is set, else the full set beside the repository, else
/// the part of it that is committed under `Tests/Fixtures`.
package enum Fixtures {
  /// The checkout's top folder.
  package static let repository = URL(filePath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  /// Material that is not committed; absent in a plain clone.
  package static let shared = repository.deletingLastPathComponent().appending(path: "shared")

  package static let folder: URL = {
    if let named { return named }
    let full = shared.appending(path: "fixtures")
    return exists(full.appending(path: "index.json")) ? full : committed
  }()

  /// The part of the set that is committed. It has cases of every kind; a test that is about one particular
  /// case takes it from here.
  package static let committed = repository.appending(path: "Tests/Fixtures")

  /// A set of someone's own, with cases of some kinds.
  private static let named = ProcessInfo.processInfo.environment["FLATTEN_FIXTURES"].map {
    URL(filePath: $0)
  }

  /// Golden cases of detection: those of `FLATTEN_DETECTION_FIXTURES` where that is set, else the full set beside
  /// the repository, else the part of it that is committed.
  package static let detection: URL = {
    if let namedDetection { return namedDetection }
    let full = shared.appending(path: "fixtures-detection")
    return exists(full.appending(path: "index.json"))
      ? full : repository.appending(path: "Tests/DetectionFixtures")
  }()

  private static let namedDetection =
    ProcessInfo.processInfo.environment["FLATTEN_DETECTION_FIXTURES"].map { URL(filePath: $0) }

  /// The cases of detection of one kind, and of one operator where the kind is `det_op`.
  ///
  /// - Parameter operators: values of `params.op`; `nil` takes all.
  package static func detectionCases(
    kind: String, operators: Set<String>? = nil
  ) -> [FixtureCase] {
    cases(kinds: [kind], in: detection).filter { fixture in
      guard let operators, let json = try? fixture.json() else { return true }
      return json["params"]["op"].text.map(operators.contains) ?? true
    }
  }

  /// Those of the operators of kind `det_op` of which the set of detection has no case though it should: any,
  /// unless the set is one that `FLATTEN_DETECTION_FIXTURES` names, which need not have all.
  package static func lackingDetection(operators: Set<String>) -> Set<String> {
    if namedDetection != nil { return [] }
    let present = detectionCases(kind: "det_op").compactMap { try? $0.json()["params"]["op"].text }
    return operators.subtracting(present)
  }

  /// Those of the kinds that a suite tests of which the set of detection has no case though it should: any, unless
  /// the set is one that `FLATTEN_DETECTION_FIXTURES` names, which need not have all.
  package static func lackingDetection(kinds: Set<String>) -> Set<String> {
    namedDetection != nil ? [] : lacking(kinds, in: detection)
  }

  /// The kinds of detection that some suite tests.
  package static let testedDetectionKinds: Set<String> = [
    "det_op", "det_neck", "retina_head", "rpn_head", "standard_roi_head", "cascade_roi_head",
    "detector", "coco_eval", "rle",
  ]

  /// Golden cases of the linear-attention literature: those of `FLATTEN_LITERATURE_FIXTURES` where that is set, else
  /// the full set beside the repository, else the part of it that is committed.
  package static let literature: URL = {
    if let namedLiterature { return namedLiterature }
    let full = shared.appending(path: "fixtures-literature")
    return exists(full.appending(path: "index.json"))
      ? full : repository.appending(path: "Tests/LiteratureFixtures")
  }()

  private static let namedLiterature =
    ProcessInfo.processInfo.environment["FLATTEN_LITERATURE_FIXTURES"].map { URL(filePath: $0) }

  /// Keys and shapes of the literature's published models, a file each, and `models.json`.
  package static let literatureKeys = repository.appending(path: "Tests/LiteratureFixtures/keys")

  /// The cases of the literature of some kinds.
  package static func literatureCases(kinds: Set<String>) -> [FixtureCase] {
    cases(kinds: kinds, in: literature)
  }

  /// Those of the kinds that a suite tests of which the set of the literature has no case though it should: any,
  /// unless the set is one that `FLATTEN_LITERATURE_FIXTURES` names, which need not have all.
  package static func lackingLiterature(kinds: Set<String>) -> Set<String> {
    namedLiterature != nil ? [] : lacking(kinds, in: literature)
  }

  /// The folder of awkward and hostile files, or `nil` where it is not present.
  package static let badInputs: URL? = {
    let folder =
      ProcessInfo.processInfo.environment["FLATTEN_BADINPUTS"].map { URL(filePath: $0) }
      ?? shared.appending(path: "badinputs")
    return exists(folder.appending(path: "manifest.json")) ? folder : nil
  }()

  package static func exists(_ url: URL) -> Bool {
    FileManager.default.fileExists(atPath: url.path)
  }

  /// All cases of the given groups (`ops`, `attention`, ...) and kinds, in the index's order.
  ///
  /// A broken index fails the test that asks, by returning a case that cannot be read.
  package static func cases(
    groups: Set<String>? = nil, kinds: Set<String>? = nil, in set: URL = folder
  ) -> [FixtureCase] {
    listed(in: set).filter { fixture in
      let group = String(fixture.id.prefix { $0 != "/" })
      let isWanted = groups?.contains(group) ?? true && kinds?.contains(fixture.kind) ?? true
      return isWanted || fixture.kind.isEmpty
    }
  }

  /// Those of the kinds that a suite tests of which the set has no case though it should: any, unless the
  /// set is one that `FLATTEN_FIXTURES` names, which need not have all.
  ///
  /// - Parameter set: `nil` stands for the one in use.
  package static func lacking(_ kinds: Set<String>, in set: URL? = nil) -> Set<String> {
    if set == nil, named != nil { return [] }
    return kinds.subtracting(listed(in: set ?? folder).map(\.kind))
  }

  /// The kinds that some suite tests; `FixturesTests` holds every set to them.
  package static let testedKinds: Set<String> = [
    "op", "table_resize", "metrics", "class_names", "checkpoint", "malformed",
    "image_decode", "image_resize", "classify_preprocess", "pipeline", "pipeline_tta",
    "fla_pvt", "fla_pvt_v2", "sra_pvt", "sra_pvt_v2",
    "fla_swin", "fla_cswin", "window_attention", "lepe_attention",
    "block_pvt", "block_pvt_plain", "block_pvt_v2", "block_pvt_v2_plain",
    "block_swin", "block_cswin", "patch_merging", "merge_block",
    "mlp", "mlp_v2", "patch_embed", "overlap_patch_embed",
    "backbone", "classifier", "segmentor",
  ]

  /// The kinds that belong to training, which is not built here.
  package static let trainingKinds: Set<String> = [
    "gradients", "loss", "adamw", "lr_schedule", "train_steps",
  ]

  /// What Tools/reference/families.py makes: cases of the backbone families, and key lists.
  package static let families = repository.appending(path: "Tests/FamilyFixtures")

  /// The cases of ``families`` of one kind.
  package static func familyCases(kind: String) -> [FixtureCase] {
    cases(kinds: [kind], in: families)
  }

  /// What Tools/reference/further.py makes: cases of kinds that the golden set has too few of.
  package static let further = repository.appending(path: "Tests/FurtherFixtures")

  /// The cases of some kinds of the golden set and of ``further``.
  package static func allCases(kinds: Set<String>) -> [FixtureCase] {
    cases(kinds: kinds) + cases(kinds: kinds, in: further)
  }

  /// What Tools/reference/wide.py makes: segmentors wide enough for every way to convolve.
  package static var wideSegmentors: [FixtureCase] {
    listed(in: repository.appending(path: "Tests/WideFixtures"))
  }

  /// The segmentors of all sets.
  package static var segmentors: [FixtureCase] {
    cases(kinds: ["segmentor"]) + familyCases(kind: "segmentor") + wideSegmentors
  }

  private static func listed(in folder: URL) -> [FixtureCase] {
    guard let data = try? Data(contentsOf: folder.appending(path: "index.json")),
      let index = try? JSONDecoder().decode(JSONValue.self, from: data),
      !index["cases"].list.isEmpty
    else {
      let id = "index.json is missing, unreadable or empty in \(folder.path)"
      return [FixtureCase(id: id, kind: "", in: folder)]
    }
    return index["cases"].list.map { entry in
      FixtureCase(id: entry["id"].text ?? "", kind: entry["kind"].text ?? "", in: folder)
    }
  }
}

/// One golden case: its description, and its tensors on request.
package struct FixtureCase: Sendable, CustomStringConvertible {
  package let id: String
  package let kind: String
  package let folder: URL

  package init(id: String, kind: String, in set: URL = Fixtures.folder) {
    self.id = id
    self.kind = kind
    folder = set.appending(path: id)
  }

  package var description: String { id }

  /// The contents of `case.json`.
  package func json() throws -> JSONValue {
    let data = try Data(contentsOf: folder.appending(path: "case.json"))
    return try JSONDecoder().decode(JSONValue.self, from: data)
  }

  /// The file that `case.json` lists under `files.<role>`, or `nil` where the case has none.
  package func file(_ role: String) throws -> URL? {
    try json()["files"][role].text.map { folder.appending(path: $0).standardizedFileURL }
  }

  /// The tensors of `files.<role>`; an empty table where the case has no such file.
  package func tensors(_ role: String) throws -> [String: FixtureTensor] {
    guard let file = try file(role) else { return [:] }
    return try FixtureTensor.read(file)
  }
}
