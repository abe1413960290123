import FlattenConfig
import FlattenFiles
import Foundation
import TestSupport
import Testing

@testable import FlattenVision

/// The configs inside the program.
@Suite struct BuiltInConfigsTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// All of the folder, with the same bytes: none is forgotten.
  @Test func theyAreThoseOfTheRepository() throws {
    #expect(BuiltInConfigs.names.map { "\($0).yaml" }.sorted() == ConfigsTests.files)
    for name in BuiltInConfigs.names {
      let file = ConfigsTests.folder.appending(path: "\(name).yaml")
      #expect(BuiltInConfigs.text(of: name) == (try String(contentsOf: file, encoding: .utf8)))
    }
    #expect(BuiltInConfigs.text(of: "ade20k") == nil)
  }

  @Test func aNameStandsForAPath() throws {
    let name = "ade20k/flatten_pvt_t_semantic_fpn"
    let file = ConfigsTests.folder.appending(path: "\(name).yaml").path
    let built = try SegmentationConfiguration.load(path: name)
    let read = try SegmentationConfiguration.load(path: file)
    #expect(built.name == read.name && built.dataset == read.dataset && built.input == read.input)
    #expect(built.dataset.classes.count == 150)
    #expect(try VisionTasks.configuration(path: "imagenet/deit_t") is ClassificationConfiguration)
    // A classifier's config is refused by its name, as by its path.
    #expect(throws: TaskMismatch.self) {
      try SegmentationConfiguration.load(path: "imagenet/deit_t")
    }
  }

  /// What is there under the name is taken: a user's own files come first.
  @Test func aFileOfThatNameComesFirst() throws {
    let path = try folder.file("model", Array("name: [".utf8))
    #expect(throws: ConfigError.self) { try VisionTasks.configuration(path: path) }
  }

  @Test(arguments: [
    ("ade20k/flaten_pvt_t_semantic_fpn", "ade20k/flatten_pvt_t_semantic_fpn"),
    ("flatten_swin_b_384", "imagenet/flatten_swin_b_384"),
    ("none/Configs/ade20k/swin_t_upernet.yaml", "ade20k/swin_t_upernet"),
    ("../flatten-seg/Configs/imagenet/pvt_l.yaml", "imagenet/pvt_l"),
    ("imagenet/deit_s.yml", "imagenet/deit_s"), ("nothing/of the kind.yaml", nil),
  ])
  func unknownNamesHaveASuggestion(_ name: String, _ suggestion: String?) {
    let error = UnknownConfigError(name: name, suggestion: suggestion)
    #expect(throws: error) { try VisionTasks.configuration(path: name) }
    #expect(FailureKind(of: error) == .input)
    let asked = suggestion.map { " Did you mean '\($0)'?" } ?? ""
    #expect(
      error.description == "\(name): no such file, and no built-in config has this name." + asked)
  }

  /// Other reasons than that there is no such file are told as they are.
  @Test func whatCannotBeOpenedIsNoName() throws {
    let file = try folder.file("file", [1])
    for (path, reason) in [
      (file + "/x", "not a directory"), (folder.url.path, "is a folder"), ("", "not a file name"),
    ] {
      let error = #expect(throws: FileError.self) { try VisionTasks.configuration(path: path) }
      #expect(error?.reason.contains(reason) == true, "\(error?.reason ?? "")")
    }
  }

  @Test func summariesAgreeWithTheConfigs() throws {
    for name in BuiltInConfigs.names {
      let summary = try BuiltInConfigSummary(of: name)
      let whole = try VisionTasks.configuration(path: name)
      #expect(summary.title == whole.name)
      #expect(summary.task == type(of: whole).taskName)
      let classes =
        (whole as? SegmentationConfiguration)?.dataset.classes.count
        ?? (whole as? ClassificationConfiguration)?.list.classes.count
        ?? (whole as? DetectionConfiguration)?.dataset.classes.count
      #expect(summary.classes == classes, "\(name)")
    }
    // Table 1 of arXiv 2308.00442, and DeiT's own list.
    #expect(
      try BuiltInConfigSummary(of: "ade20k/flatten_pvt_t_semantic_fpn").figures
        .contains { $0 == ("mIoU", 37.21) })
    #expect(
      try BuiltInConfigSummary(of: "imagenet/deit_s").figures.map(\.percent) == [79.9, 95.0])
  }
}
