import FlattenConfig
import FlattenData
import Foundation
import Testing

@Suite struct ClassFoldersTests {
  private let fruit = """
    name: fruit
    images: {folder: "{split}", suffix: [.png, .JPEG]}
    splits: [train, val]
    default_split: val
    classes: [{id: n1, name: apple}, {id: n2, name: "pear, Pyrus"}, quince]
    """

  private func list(_ text: String? = nil) throws -> ClassList {
    try ClassList(ConfigNode.parse(text ?? fruit, name: "fruit.yaml"))
  }

  @Test func theBuiltInListIsImageNets() throws {
    let list = try ClassList.load(nameOrPath: "imagenet")
    #expect(list.classes.count == 1000)
    let ids = list.classes.map(\.identifier)
    #expect(ids == ids.sorted() && Set(ids).count == 1000)
    // Places that are well known: the first, a cat, the last.
    #expect(list.classes[0].identifier == "n01440764")
    #expect(list.classes[0].name == "tench, Tinca tinca")
    #expect(list.classes[281].name == "tabby, tabby cat")
    #expect(list.classes[999].identifier == "n15075141")
    #expect(ClassList.builtInNames == ["imagenet"])
    #expect(!DatasetDescription.builtInNames.contains { $0.contains("imagenet") })
    #expect(throws: DatasetError.self) { try ClassList.load(nameOrPath: "imagined") }
  }

  @Test func aListIsRead() throws {
    let list = try list()
    #expect(list.classes.map(\.identifier) == ["n1", "n2", "quince"])
    #expect(list.classes.map(\.name) == ["apple", "pear, Pyrus", "quince"])
    #expect(list.splits == ["train", "val"] && list.defaultSplit == "val")
  }

  @Test(arguments: [
    ("name: a\nclasses: []", "classes"),
    ("name: a\nclasses: [x, x]", "classes"),
    ("name: a\nclasses: [{id: x}]", "classes[0].name"),
    ("name: a\nclasses: [x]\ndefault_split: val", "default_split"),
    ("name: a\nclasses: [x]\nlabels: y", "labels"),
    ("name: a\nclasses: [x]\nimages: {folder: ../up}", "images.folder"),
  ])
  func mistakesAreNamed(text: String, key: String) {
    let error = #expect(throws: ConfigError.self) { try list(text) }
    #expect(error?.key == key)
  }

  private func found(
    _ folder: DatasetTests.TemporaryFolder, split: String? = nil
  ) throws -> [String] {
    let folders = try ClassFolders.open(list(), root: folder.path, split: split)
    return folders.items.map { "\($0.classIndex) \($0.path.dropFirst(folder.path.count + 1))" }
  }

  /// Folders by id, of some classes only, with folders inside; other files are skipped.
  @Test func picturesOfASplitAreFound() throws {
    let folder = try DatasetTests.TemporaryFolder([
      "val/n2/b.png", "val/n2/a.jpeg", "val/n1/deep/c.PNG", "val/n1/notes.txt", "val/list.txt",
      "train/quince/d.JPEG",
    ])
    #expect(try found(folder) == ["0 val/n1/deep/c.PNG", "1 val/n2/a.jpeg", "1 val/n2/b.png"])
    #expect(try found(folder, split: "train") == ["2 train/quince/d.JPEG"])
    let open = try ClassFolders.open(list(), root: folder.path)
    #expect(open.otherFiles == 2)
  }

  /// The root may be the folder of the classes, and folders may be named by index.
  @Test func theRootMayBeTheSplit() throws {
    let folder = try DatasetTests.TemporaryFolder(["2/a.png", "0001/b.png", "n1/c.png"])
    #expect(try found(folder) == ["1 0001/b.png", "2 2/a.png", "0 n1/c.png"])
  }

  @Test(arguments: [
    (["val/n9/a.png"], "is the folder of no class of 'fruit'"),
    (["val/3/a.png"], "is the folder of no class of 'fruit'"),
    (["val/a.png"], "lies in no class's folder"),
    (["val/n1/a.txt"], "there are no pictures"),
  ])
  func problemsAreNamed(files: [String], says words: String) throws {
    let folder = try DatasetTests.TemporaryFolder(files)
    let problem = #expect(throws: DatasetProblem.self) { try found(folder) }
    #expect(problem?.reason.contains(words) == true)
  }

  @Test func missingFoldersAndSplits() throws {
    let folder = try DatasetTests.TemporaryFolder(["val/n1/a.png"])
    #expect(throws: DatasetProblem.self) { try found(folder, split: "train") }
    let error = #expect(throws: DatasetError.self) { try found(folder, split: "test") }
    #expect(error?.description == "'test' is no split of 'fruit', which has train, val.")
    #expect(throws: DatasetProblem.self) {
      try ClassFolders.open(list(), root: folder.path + "/nowhere")
    }
  }
}
