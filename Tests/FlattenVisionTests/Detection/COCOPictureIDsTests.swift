import FlattenFiles
import Testing

@testable import FlattenVision

@Suite struct COCOPictureIDsTests {
  /// Pictures as a list of them would be named that are below a folder `in`.
  private func pictures(_ names: String...) -> [PictureSource] {
    names.map { name in
      PictureSource(path: "in/\(name)", name: String(name.prefix { $0 != "." }))
    }
  }

  @Test func numbersInNames() {
    let ids = COCOPictureIDs(
      of: pictures("000000000139.jpg", "b/000000000285.jpg", "COCO_val2014_000000000042.jpg"))
    #expect(ids.ids == [139, 285, 42] && ids.origin == .names)
  }

  /// One name that is no number, or a number twice, and all are counted.
  @Test(arguments: [
    ["1.jpg", "b.jpg"], ["1.jpg", "01.jpg"], ["1.jpg", "99999999999999999999.jpg"],
    ["1.jpg", "\u{663}.jpg"], ["COCO_.jpg", "1.jpg"],
  ])
  func order(names: [String]) {
    let ids = COCOPictureIDs(of: names.map { PictureSource(path: $0, name: $0) })
    #expect(ids.ids == [1, 2] && ids.origin == .order)
  }

  @Test func namesInAnnotations() throws {
    let listed = [
      ("a.jpg", 7), ("b/a.jpg", 8), ("val2017/c.jpg", 9), ("d\\e.jpg", 10), ("caf\u{E9}.jpg", 11),
    ].map { (fileName: $0.0, id: $0.1) }
    let found = try COCOPictureIDs(
      of: pictures("a.jpg", "b/a.jpg", "c.jpg", "e.jpg", "f.jpg", "cafe\u{301}.jpg"),
      listed: listed, in: "gt.json")
    #expect(found.ids == [7, 8, 9, 10, nil, nil] && found.origin == .annotations)
  }

  @Test func namesThatCouldBeSeveral() {
    let listed = [("x/a.jpg", 1), ("y/a.jpg", 2)].map { (fileName: $0.0, id: $0.1) }
    let error = #expect(throws: FileError.self) {
      _ = try COCOPictureIDs(of: pictures("a.jpg"), listed: listed, in: "gt.json")
    }
    #expect(error?.path == "gt.json" && error?.reason.contains("'x/a.jpg' or 'y/a.jpg'") == true)
    let both = #expect(throws: FileError.self) {
      _ = try COCOPictureIDs(
        of: pictures("p/c.jpg", "q/c.jpg"), listed: [("c.jpg", 3)], in: "gt.json")
    }
    #expect(both?.reason.contains("'in/p/c.jpg' and 'in/q/c.jpg' are both its picture 3") == true)
  }
}
