import FlattenConfig
import FlattenData
import FlattenImage
import Foundation
import TestSupport
import Testing

@Suite struct DatasetDescriptionTests {
  @Test func builtInsAreEmbeddedAsTheyAreInTheRepository() throws {
    let folder = Fixtures.repository.appending(path: "Datasets")
    let files = try FileManager.default.contentsOfDirectory(atPath: folder.path)
      .filter { $0.hasSuffix(".yaml") }.sorted()
    #expect(DatasetDescription.builtInNames.map { $0 + ".yaml" } == files)
    for name in DatasetDescription.builtInNames {
      let embedded = try DatasetDescription.load(nameOrPath: name)
      let onDisk = try DatasetDescription.load(
        nameOrPath: folder.appending(path: "\(name).yaml").path)
      #expect(embedded == onDisk)
      #expect(embedded.name == name && !embedded.title.isEmpty)
      #expect(embedded.palette.colours.count == embedded.classes.count)
    }
  }

  @Test(arguments: [
    ("ade20k", 150, 255), ("camvid", 11, 11), ("cityscapes", 19, 255), ("voc", 21, 255),
    ("coco_stuff164k", 171, 255), ("street", 11, 255), ("folder", 0, 255),
    ("coco", 80, 255), ("coco_json", 0, 255),
  ])
  func classCounts(name: String, classes: Int, ignoreIndex: Int) throws {
    let description = try DatasetDescription.load(nameOrPath: name)
    #expect(description.classes.count == classes)
    #expect(Int(description.labelRule.ignoreIndex) == ignoreIndex)
    #expect(description.labelRule.reducesZeroLabel == (name == "ade20k"))
  }

  /// mmsegmentation's names of the data sets that are built in here, and ours.
  private static let names = [
    "ade": "ade20k", "ade20k": "ade20k", "cityscapes": "cityscapes", "voc": "voc",
    "pascal_voc": "voc", "cocostuff": "coco_stuff164k", "cocostuff164k": "coco_stuff164k",
    "coco_stuff164k": "coco_stuff164k",
  ]

  @Test func noKindIsMissing() { #expect(Fixtures.lacking(["class_names"]).isEmpty) }

  /// Names are compared without the spaces at their ends: mmsegmentation's "bed " has one that is no
  /// part of the name.
  @Test(arguments: Fixtures.cases(kinds: ["class_names"]))
  func classesAndColoursAreThoseOfMMSegmentation(_ fixture: FixtureCase) throws {
    let known = try fixture.json().fields.filter { Self.names[$0.key] != nil }
    #expect(!known.isEmpty, "no data set that is built in")
    for (key, expected) in known {
      let description = try DatasetDescription.load(nameOrPath: Self.names[key] ?? key)
      #expect(
        description.classes
          == expected["classes"].list.compactMap { $0.text?.trimmingCharacters(in: .whitespaces) })
      #expect(
        description.palette.colours.map { [Int($0.red), Int($0.green), Int($0.blue)] }
          == expected["palette"].list.map(\.ints))
    }
  }

  static let authorsColours = Fixtures.shared.appending(path: "data/ade20k-sample/color150.csv")

  @Test(.enabled(if: Fixtures.exists(authorsColours), "the ADE20K sample is not present"))
  func ade20kAgreesWithItsAuthorsColours() throws {
    let file = Self.authorsColours
    let rows = try String(contentsOf: file, encoding: .utf8).split(separator: "\n")
      .map { $0.split(separator: ",").compactMap { Int($0.filter(\.isNumber)) } }
    let description = try DatasetDescription.load(nameOrPath: "ade20k")
    #expect(
      description.palette.colours.map { [Int($0.red), Int($0.green), Int($0.blue)] } == rows)
  }

  @Test(arguments: [
    ("ade20k", "train", "training"), ("ade20k", "val", "validation"), ("camvid", "test", "test"),
    ("camvid", "validation", "validation"), ("cityscapes", "training", "train"),
    ("coco_stuff164k", "validation", "val2017"), ("coco", "validation", "val2017"),
    ("coco", "train2017", "train2017"), ("voc", "trainval", "trainval"),
  ])
  func splitsHaveAliases(name: String, asked: String, folder: String) throws {
    let description = try DatasetDescription.load(nameOrPath: name)
    #expect(try description.split(named: asked)?.folder == folder)
  }

  @Test func splitsThatAreNotThere() throws {
    let camvid = try DatasetDescription.load(nameOrPath: "camvid")
    #expect(try camvid.split(named: nil)?.name == "validation")
    let unknown = #expect(throws: DatasetError.self) { try camvid.split(named: "dev") }
    #expect(
      unknown?.description
        == "'dev' is no split of 'camvid'. Choose one of training, validation, test.")
    let street = try DatasetDescription.load(nameOrPath: "street")
    #expect(try street.split(named: nil) == nil)
    #expect(throws: DatasetError.self) { try street.split(named: "test") }
  }

  @Test func unknownNamesOfferTheNearest() {
    let error = #expect(throws: DatasetError.self) {
      try DatasetDescription.load(nameOrPath: "ade2k")
    }
    #expect(error?.description.contains("Did you mean 'ade20k'?") == true)
    #expect(throws: (any Error).self) {
      try DatasetDescription.load(nameOrPath: "/no/such/file.yaml")
    }
  }

  static let minimal = "name: a\nimages: {folder: i}\nlabels: {folder: l}\n"

  @Test(arguments: [
    ("clases: [a]\n", "Did you mean 'classes'?"),
    ("classes: []\n", "1 to 4096 classes"),
    ("classes: [1]\n", "'classes[0]' is the number 1"),
    ("classes: [{name: a, colour: [1, 2, 3]}]\n", "Did you mean 'color'?"),
    ("classes: [{name: a, color: [1, 2]}]\n", "'classes[0].color' has 2 values"),
    ("classes: [{name: a, color: [1, 2, 256]}]\n", "from 0 to 255"),
    ("classes: [\"a\\nb\"]\n", "control characters"),
    ("classes: [{name: a, id: 3}]\n", "has an id"),
    ("list: ../../etc/{split}.txt\n", "without '..'"),
    ("list: /etc/passwd\n", "below the data set's root"),
    ("list: lists/{split}.txt\n", "asks for a split"),
    ("default_split: val\n", "the name of a split"),
    ("splits: {val: {aliases: [v]}, v: {}}\n", "uses the name 'v' twice"),
    ("splits: {val: {folder: ../x}}\n", "without '..'"),
    ("source: 5\n", "'source' is the number 5"),
    ("classes: {1: a, 2: b}\n", "not the ids 0 to 1"),
    ("classes: {0: a, 2: b}\n", "a list in the order of the ids"),
    ("classes: {0: a, 00: b}\n", "each id once"),
    ("classes: {a: 0, b: 1}\n", "a list in the order of the ids"),
    ("classes: {}\n", "1 to 4096 classes"),
  ])
  func mistakesAreNamed(addition: String, says: String) {
    let error = #expect(throws: ConfigError.self) {
      try DatasetDescription(ConfigNode.parse(Self.minimal + addition, name: "d.yaml"))
    }
    #expect(error?.description.contains(says) == true, "\(String(describing: error))")
  }

  private static let objects = "name: a\nimages: {folder: i}\nannotations: a.json\n"

  @Test func classesOfObjectsHaveIDs() throws {
    func ids(_ classes: String) throws -> [Int] {
      try DatasetDescription(ConfigNode.parse(Self.objects + classes, name: "d.yaml")).categoryIDs
    }
    #expect(try ids("classes: [{name: a, id: 7}, {name: b, id: 0}]\n") == [7, 0])
    #expect(try ids("classes: [a, {name: b, color: [1, 2, 3]}]\n") == [1, 2])
    #expect(try ids("") == [])
    var options = DatasetOptions()
    options.classes = ["a", "b", "c"]
    let changed = try DatasetDescription.load(nameOrPath: "coco").applying(options)
    #expect(changed.categoryIDs == [1, 2, 3])
  }

  @Test(arguments: [
    ("classes: [{name: a, id: 7}, {name: b, id: 7}]\n", "the id 7 a second time"),
    ("classes: [{name: a, id: 7}, b]\n", "has no id, 'a' has one"),
    ("classes: [{name: a, id: -1}]\n", "'classes[0].id' is the number -1"),
    ("labels: {folder: l}\n", "beside 'labels'"),
    ("list: l.txt\n", "beside 'list'"),
    ("annotations: /etc/a.json\n", "below the data set's root"),
  ])
  func mistakesInObjectsAreNamed(addition: String, says: String) {
    let text = addition.hasPrefix("annotations") ? "name: a\nimages: {folder: i}\n" : Self.objects
    let error = #expect(throws: ConfigError.self) {
      try DatasetDescription(ConfigNode.parse(text + addition, name: "d.yaml"))
    }
    #expect(error?.description.contains(says) == true, "\(String(describing: error))")
  }

  /// Categories as the annotation files of COCO 2017 have them: 80 of the ids 1 to 90.
  @Test func cocoHasTheIDsOfItsFiles() throws {
    let coco = try DatasetDescription.load(nameOrPath: "coco")
    #expect(coco.annotations == "annotations/instances_{split}.json" && coco.labels == nil)
    let missing = [12, 26, 29, 30, 45, 66, 68, 69, 71, 83]
    #expect(coco.categoryIDs == (1...90).filter { !missing.contains($0) })
    let places = ["person": 1, "stop sign": 13, "dog": 18, "dining table": 67, "toothbrush": 90]
    for (name, id) in places {
      #expect(coco.classes.firstIndex(of: name).map { coco.categoryIDs[$0] } == id)
    }
  }

  @Test func objectsAreNoLabels() throws {
    let coco = try DatasetDescription.load(nameOrPath: "coco")
    let error = #expect(throws: DatasetError.self) { try Dataset.open(coco, root: "/") }
    #expect(error?.reason == .hasNoLabels(dataset: "coco"))
  }

  @Test func labelRulesAreRead() throws {
    let text = """
      name: a
      images: {folder: i, suffix: [_rgb.png, .jpg]}
      labels:
        folder: l
        suffix: _ids.png
        ignore_index: 65535
        reduce_zero_label: true
        label_map: [[7, 0], [8, 65535]]
        encoding: ade20k-full-rgb
      classes: [one, {name: two, color: [1, 2, 3]}]
      """
    let description = try DatasetDescription(ConfigNode.parse(text, name: "d"))
    #expect(
      description.labelRule
        == LabelRule(
          ignoreIndex: 65535, reducesZeroLabel: true, labelMap: [7: 0, 8: 65535]))
    #expect(description.encoding == .ade20kFullRGB)
    #expect(description.images.suffixes == ["_rgb.png", ".jpg"])
    #expect(description.palette.colours[1] == RGBColor(red: 1, green: 2, blue: 3))
    let twice = text.replacing("[8, 65535]", with: "[7, 1]")
    #expect(throws: ConfigError.self) {
      try DatasetDescription(ConfigNode.parse(twice, name: "d"))
    }
  }

  /// As other tools write them: ids and names, in any order.
  @Test(arguments: [
    "{0: ground, 1: {name: tree, color: [0, 200, 0]}, 2: roof}",
    "{2: roof, 0: ground, 1: {name: tree, color: [0, 200, 0]}}",
    "{\"0\": ground, \"1\": {name: tree, color: [0, 200, 0]}, \"2\": roof}",
  ])
  func classesMayBeAMapFromIds(classes: String) throws {
    let text = Self.minimal + "classes: \(classes)\n"
    let description = try DatasetDescription(ConfigNode.parse(text, name: "d.yaml"))
    #expect(description.classes == ["ground", "tree", "roof"])
    #expect(description.palette.colours[1] == RGBColor(red: 0, green: 200, blue: 0))
  }

  /// Saved by an editor of Windows, under a name in capitals.
  @Test func aFileMayHaveAByteOrderMarkAndACapitalSuffix() throws {
    let folder = try TemporaryFolder()
    let path = try folder.file(
      "FIELDS.YAML",
      [0xEF, 0xBB, 0xBF]
        + Array((Self.minimal + "classes: [x, y]\n").replacing("\n", with: "\r\n").utf8))
    #expect(try DatasetDescription.load(nameOrPath: path).classes == ["x", "y"])
    // Without a slash it is a file too, not a built-in name.
    let error = #expect(throws: (any Error).self) {
      try DatasetDescription.load(nameOrPath: "GONE.Yml")
    }
    #expect(error.map { "\($0)" } == "GONE.Yml: no such file")
    let list = try folder.file(
      "L.YML", [0xEF, 0xBB, 0xBF] + Array("name: a\nclasses: {0: u, 1: v}".utf8))
    #expect(try ClassList.load(nameOrPath: list).classes.map(\.name) == ["u", "v"])
  }

  private static let coloured = """
    name: a
    images: {folder: i}
    labels: {folder: l, encoding: palette}
    classes: [{name: x, color: [1, 2, 3]}, {name: y, color: [4, 5, 6]}]

    """

  @Test func labelsMayBeColours() throws {
    func description(_ from: String = "", _ to: String = "") throws -> DatasetDescription {
      let text = from.isEmpty ? Self.coloured : Self.coloured.replacing(from, with: to)
      return try DatasetDescription(ConfigNode.parse(text, name: "d.yaml"))
    }
    let x = RGBColor(red: 1, green: 2, blue: 3)
    let y = RGBColor(red: 4, green: 5, blue: 6)
    #expect(try description().encoding == .colours([x: 0, y: 1]))
    let ignoring = try description("palette}", "palette, ignore_color: [0, 0, 0], ignore_index: 9}")
    let black = RGBColor(red: 0, green: 0, blue: 0)
    #expect(ignoring.encoding == .colours([x: 0, y: 1, black: 9]))
    var options = DatasetOptions()
    options.ignoreIndex = 7
    #expect(try ignoring.applying(options).encoding == .colours([x: 0, y: 1, black: 7]))
    options.classes = ["one"]
    #expect(throws: DatasetError.self) { try ignoring.applying(options) }

    for (from, to, says) in [
      ("[4, 5, 6]", "[1, 2, 3]", "two meanings have the colour [1, 2, 3]"),
      ("palette}", "palette, ignore_color: [4, 5, 6]}", "two meanings have the colour [4, 5, 6]"),
      ("palette}", "palette, reduce_zero_label: true}", "Remove reduce_zero_label"),
      ("palette}", "palette, label_map: [[1, 0]]}", "Remove label_map"),
      ("palette}", "ids, ignore_color: [0, 0, 0]}", "Add 'encoding: palette'"),
    ] {
      let error = #expect(throws: ConfigError.self) { try description(from, to) }
      #expect(error?.description.contains(says) == true, "\(String(describing: error))")
    }
    let bare = Self.minimal.replacing("folder: l", with: "folder: l, encoding: palette")
    #expect(throws: ConfigError.self) {
      try DatasetDescription(ConfigNode.parse(bare, name: "d.yaml"))
    }
  }

  @Test func optionsChangeADescription() throws {
    var options = DatasetOptions()
    options.classes = DatasetOptions.classNames(count: 3)
    options.ignoreIndex = 0
    options.reducesZeroLabel = true
    options.labelFolder = "masks"
    let changed = try DatasetDescription.load(nameOrPath: "folder").applying(options)
    #expect(changed.classes == ["class_0", "class_1", "class_2"])
    #expect(changed.palette.colours.count == 3)
    #expect(changed.labelRule == LabelRule(ignoreIndex: 0, reducesZeroLabel: true))
    #expect(changed.labels?.folder == "masks")
    options.ignoreIndex = -1
    #expect(throws: DatasetError.self) { try changed.applying(options) }
    options = DatasetOptions()
    options.classes = []
    #expect(throws: DatasetError.self) { try changed.applying(options) }
  }
}
