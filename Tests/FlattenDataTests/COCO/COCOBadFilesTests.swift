import FlattenFiles
import FlattenMetrics
import FlattenRegions
import Foundation
import TestSupport
import Testing

@testable import FlattenData

/// A file of annotations or results with a mistake, and what its message must say.
private struct BadFile: CustomTestStringConvertible, Sendable {
  let testDescription: String
  let text: String
  let says: [String]

  static let annotations =
    #"{"images":[{"id":1,"width":10,"height":8,"file_name":"a.jpg"},{"id":2,"width":9,"height":7}],"#
    + #""annotations":[{"id":5,"image_id":1,"category_id":3,"bbox":[1,1,4,4],"area":16,"iscrowd":0,"#
    + #""segmentation":[[1,1,5,1,5,5,1,5]]},{"id":6,"image_id":2,"category_id":3,"bbox":[0,0,2,2],"#
    + #""area":4,"iscrowd":1,"segmentation":{"size":[7,9],"counts":[0,2,5,2,54]}}],"#
    + #""categories":[{"id":3,"name":"car"}]}"#
  static let results =
    #"[{"image_id":1,"category_id":3,"bbox":[1,1,4,4],"score":0.5,"#
    + #""segmentation":{"size":[8,10],"counts":"94400000W1"}},"#
    + #"{"image_id":2,"category_id":3,"bbox":[0,0,2,2],"score":0.25,"#
    + #""segmentation":{"size":[7,9],"counts":[0,2,5,2,54]}}]"#

  /// The good file with a piece of it replaced where it first occurs.
  init(_ good: String, _ piece: String, _ replacement: String, _ says: [String]) {
    testDescription = "\(piece) -> \(replacement.prefix(60))"
    guard let range = good.range(of: piece) else {
      text = good
      self.says = ["the piece is not in the file"]
      return
    }
    text = good.replacingCharacters(in: range, with: replacement)
    self.says = says
  }

  init(_ name: String, _ text: String, _ says: [String]) {
    testDescription = name
    self.text = text
    self.says = says
  }
}

private func annotation(_ piece: String, _ replacement: String, _ says: String...) -> BadFile {
  BadFile(BadFile.annotations, piece, replacement, says)
}

private func result(_ piece: String, _ replacement: String, _ says: String...) -> BadFile {
  BadFile(BadFile.results, piece, replacement, says)
}

private let nested = String(repeating: "[", count: 10_000)

private let badAnnotations: [BadFile] = [
  BadFile("empty", "", ["is empty", "COCO annotations"]),
  BadFile("a web page", "<!DOCTYPE html><html></html>", ["is a web page"]),
  BadFile("a text", "hello", ["is a text"]),
  BadFile("a pointer", "version https://git-lfs.github.com/spec/v1\noid", ["Git LFS"]),
  BadFile("a list", BadFile.results, ["is a list, as results are"]),
  BadFile("a number", "5", ["is a text, not COCO annotations"]),
  BadFile("an empty object", "{}", ["has no list 'images'"]),
  BadFile("nested", nested, ["is a list"]),
  annotation("\"images\"", "\"deep\":\(nested)", "nests more than 100 levels", "deep[0][0]"),
  annotation(
    "\"file_name\"", "\"x\":{\"y\":\(nested)", "nests more than 100 levels", "images[0].x.y"),
  annotation("\"images\"", "\"pictures\"", "has no list 'images'"),
  annotation("\"annotations\"", "\"Annotations\"", "has no list 'annotations'"),
  annotation("\"categories\"", "\"classes\"", "has no list 'categories'"),
  annotation("[{\"id\":3,\"name\":\"car\"}]", "[]", "categories: holds nothing"),
  annotation("[{\"id\":3,\"name\":\"car\"}]", "{}", "categories: is no list"),
  annotation("[{\"id\":3,\"name\":\"car\"}]", "[7]", "categories[0]: is no object"),
  annotation("{\"id\":3,", "{", "categories[0]: has no id"),
  annotation("\"name\":\"car\"}", "\"name\":7}", "categories[0] (id 3): name is a number"),
  annotation(
    "{\"id\":3,\"name\":\"car\"}", "{\"id\":3},{\"id\":3}", "categories[1] (id 3)", "this id"),
  annotation("\"images\":[", "\"images\":[],\"images\":[", "images: is there twice"),
  annotation("\"id\":2,", "\"id\":1,", "images[1] (id 1): another picture has this id"),
  annotation("{\"id\":1,\"width\"", "{\"width\"", "images[0]: has no id"),
  annotation(
    "{\"id\":1,\"width\"", "{\"id\":\"000001\",\"width\"", "images[0]: id is the text '000001'",
    "without quotes"),
  annotation(
    "{\"id\":1,\"width\"", "{\"id\":\"a.jpg\",\"width\"", "the text 'a.jpg'", "Number them"),
  annotation("\"width\":10", "\"width\":0", "images[0] (id 1): is 0x8 pixels"),
  annotation("\"height\":8", "\"height\":-8", "images[0] (id 1): is 10x-8 pixels"),
  annotation("\"width\":10", "\"width\":4000000000", "is 4000000000x8 pixels"),
  annotation("\"width\":10", "\"width\":\"10\"", "width is the text '10'"),
  annotation("\"width\":10,", "", "annotations[0] (id 5)", "no width and height"),
  annotation("\"id\":5,", "", "annotations[0]: has no id"),
  annotation("\"id\":5,", "\"id\":5.5,", "annotations[0]: id is not a whole number"),
  annotation(
    "\"id\":5,", "\"id\":99999999999999999999,", "annotations[0]: id is not a whole number"),
  annotation("\"id\":6,", "\"id\":5,", "annotations[1] (id 5): annotations[0] has this id"),
  annotation("\"id\":5,", "\"id\":5,\"id\":7,", "has id twice"),
  annotation("\"image_id\":1,", "", "annotations[0] (id 5): has no image_id"),
  annotation(
    "\"image_id\":1,", "\"image_id\":7,", "annotations[0] (id 5): image_id is 7, which images"),
  annotation(
    "\"image_id\":1,", "\"image_id\":\"a\",", "annotations[0] (id 5): image_id is the text 'a'"),
  annotation("\"image_id\":1,", "\"image_id\":null,", "image_id is null"),
  annotation("\"category_id\":3,", "", "annotations[0] (id 5): has no category_id"),
  annotation("\"category_id\":3,", "\"category_id\":4,", "category_id is 4, which categories"),
  annotation("[1,1,4,4]", "[1,1,4]", "annotations[0] (id 5): bbox has 3 numbers"),
  annotation("[1,1,4,4]", "[1,1,4,4,5]", "bbox has more, four are wanted"),
  annotation("[1,1,4,4]", "[1,1,\"4\",4]", "bbox holds a text"),
  annotation("[1,1,4,4]", "{}", "bbox is an object"),
  annotation("[1,1,4,4]", "[1,1,-4,4]", "bbox has the width -4.0", "not the corners"),
  annotation("[1,1,4,4]", "[1,1,NaN,4]", "annotations[0].bbox[2]", "NaN, which JSON does not have"),
  annotation("[1,1,4,4]", "[1,1,1e400,4]", "annotations[0].bbox[2]", "too large"),
  annotation("\"area\":16", "\"area\":-16", "area is -16.0"),
  annotation("\"area\":16", "\"area\":\"16\"", "area is a text"),
  annotation("\"iscrowd\":0", "\"iscrowd\":2", "iscrowd is 2.0"),
  annotation("\"iscrowd\":0", "\"iscrowd\":\"no\"", "iscrowd is a text"),
  annotation("[[1,1,5,1,5,5,1,5]]", "[[1,1,5,1,5,5,1]]", "polygon 0", "7 numbers, an odd count"),
  annotation("[[1,1,5,1,5,5,1,5]]", "[[1,1,5,5]]", "polygon 0", "has 2 points"),
  annotation("[[1,1,5,1,5,5,1,5]]", "[1,1,5,1,5,5]", "a list of polygons is wanted"),
  annotation("[[1,1,5,1,5,5,1,5]]", "7", "segmentation is a number"),
  annotation(
    "[0,2,5,2,54]", "[0,2,5,2,53]", "annotations[1] (id 6): the run lengths sum to 62 pixels"),
  annotation("[0,2,5,2,54]", "[0,2,5,2,55]", "annotations[1] (id 6)", "reach pixel 64"),
  annotation("[0,2,5,2,54]", "[0,-2,5,2,58]", "run length 1 is -2"),
  annotation("[0,2,5,2,54]", "[0,4294967296]", "run length 1 is 4294967296"),
  annotation("[0,2,5,2,54]", "[4294967295,4294967295]", "annotations[1] (id 6)", "reach pixel"),
  annotation("[7,9]", "[9,7]", "annotations[1] (id 6): its run lengths are of 7x9"),
  annotation("[7,9]", "[7]", "size of segmentation is no size"),
  annotation("[7,9]", "[7,2147483648]", "size of segmentation is no size"),
  annotation("\"counts\"", "\"runs\"", "segmentation has no counts"),
  annotation("\"size\":[7,9],", "", "segmentation has no size"),
  annotation("[0,2,5,2,54]", "\"~~~\"", "annotations[1] (id 6)", "character 0", "'~'"),
  annotation("[0,2,5,2,54]", "\"PPPPPPPPPPPP\"", "annotations[1] (id 6)", "more than 7 characters"),
  annotation("[0,2,5,2,54]", "\"oooooo1\"", "annotations[1] (id 6)"),
  annotation("[0,2,5,2,54]", "\"P\"", "the string was cut"),
  annotation("a.jpg", "\\ud800.jpg", "images[0].file_name", "lone surrogate"),
  annotation("a.jpg", "a\u{1}.jpg", "images[0].file_name", "control character"),
  annotation("\"car\"}]}", "\"car\"}]},", "the end of the file is wanted"),
  annotation("\"categories\":[", "\"categories\":[,", "a value is wanted"),
  BadFile("cut", String(BadFile.annotations.prefix(300)), ["cut short", "annotations[1]"]),
  BadFile("two", BadFile.annotations + BadFile.annotations, ["the end of the file is wanted"]),
]

private let badResults: [BadFile] = [
  BadFile("empty", "", ["is empty", "COCO results"]),
  BadFile("an empty list", "[]", ["holds no results"]),
  BadFile("annotations", BadFile.annotations, ["is no list of results", "annotations"]),
  BadFile("no objects", "[1]", ["[0]: is no object"]),
  BadFile("nested", nested, ["[0]: is no object"]),
  result("\"image_id\":1,", "\"more\":\(nested),", "nests more than 100 levels", "[0].more[0]"),
  result("\"image_id\":1,", "", "[0]: has no image_id"),
  result("\"image_id\":1,", "\"image_id\":3,", "[0]: image_id is 3, which"),
  result(
    "\"image_id\":1,", "\"image_id\":\"1\",", "[0]: image_id is the text '1'", "without quotes"),
  result("\"image_id\":1,", "\"image_id\":1,\"image_id\":1,", "[0]: has image_id twice"),
  result("\"category_id\":3,", "", "[0]: has no category_id"),
  result("\"category_id\":3,", "\"category_id\":3.5,", "[0]: category_id is not a whole number"),
  result("\"score\":0.5,", "", "[0]: has no score"),
  result("\"score\":0.5,", "\"score\":\"0.5\",", "[0]: score is a text"),
  result("\"score\":0.5,", "\"score\":null,", "[0]: score is null"),
  result("\"score\":0.5,", "\"score\":NaN,", "[0].score", "NaN, which JSON does not have"),
  result("\"score\":0.5,", "\"score\":1e999,", "[0].score", "too large"),
  result("\"score\":0.5,", "\"score\":Infinity,", "[0].score", "Infinity"),
  result("[1,1,4,4]", "[1,1,4]", "[0]: bbox has 3 numbers"),
  result("[1,1,4,4]", "[]", "[0]: bbox has 0 numbers"),
  result("[1,1,4,4]", "[5,5,-4,-4]", "[0]: bbox has the width -4.0"),
  result("[1,1,4,4]", "\"1 1 4 4\"", "[0]: bbox is a text"),
  result("[8,10]", "[10,8]", "[0]: its run lengths are of 8x10, its picture 1 is 10x8"),
  result("[8,10]", "[80,100]", "[0]: its run lengths are of 100x80"),
  result("[8,10]", "[0,10]", "size of segmentation is no size"),
  result("94400000W1", "944000", "[0]: the run lengths sum to"),
  result("94400000W1", "94400000W1W1W1", "[0]"),
  result("94400000W1", "é", "[0]", "character 0"),
  result("94400000W1", "", "[0]: the run lengths sum to 0 pixels"),
  result(
    "94400000W1", String(repeating: "0", count: 3_000_000), "[0]: the run lengths sum to 0 pixels"),
  result("\"94400000W1\"", "7", "counts of segmentation is a number"),
  result("{\"size\":[8,10],\"counts\":\"94400000W1\"}", "null", "[0] has no segmentation"),
  result("0.5", ".5", "[0].score", "a value is wanted"),
  result("}]", "}", "cut short"),
  result("}]", "}}", "',' or ']' is wanted"),
  BadFile("cut", String(BadFile.results.prefix(60)), ["cut short", "[0]"]),
]

@Suite struct COCOBadFilesTests {
  @Test func thereAreSixtyFiles() { #expect(badAnnotations.count + badResults.count >= 60) }

  /// Reads annotations and results, and evaluates boxes and masks.
  private func evaluate(_ annotations: String, _ results: String) throws {
    for kind in [COCOSettings.Kind.bbox, .segm] {
      let masks = kind == .segm
      let truth = try COCOAnnotations.load(path: annotations, masks: masks)
      let found = try COCOResults.load(paths: [results], for: truth, masks: masks)
      _ = try COCOEvaluation(truth, found, COCOSettings(kind))
    }
  }

  private func message(_ annotations: String, _ results: String) throws -> (String, String) {
    let folder = try TemporaryFolder()
    let first = try folder.file("gt.json", Array(annotations.utf8))
    let second = try folder.file("dt.json", Array(results.utf8))
    do {
      try evaluate(first, second)
      return ("", "no error")
    } catch let error as FileError {
      return (error.path, "\(error)")
    } catch let error as COCOProblem {
      return (error.path, "\(error)")
    } catch let error as DetectionError {
      return ("\(error)".components(separatedBy: ": ")[0], "\(error)")
    }
  }

  @Test func theGoodFilesAreGood() throws {
    #expect(try message(BadFile.annotations, BadFile.results).1 == "no error")
  }

  @Test(arguments: badAnnotations)
  fileprivate func annotations(_ file: BadFile) throws {
    let (path, text) = try message(file.text, BadFile.results)
    #expect(path.hasSuffix("gt.json") && text.contains("gt.json"), "\(text)")
    for part in file.says { #expect(text.contains(part), "\(text)") }
    #expect(text.count <= 500 && !text.contains("\n"))
  }

  @Test(arguments: badResults)
  fileprivate func results(_ file: BadFile) throws {
    let (path, text) = try message(BadFile.annotations, file.text)
    #expect(path.hasSuffix("dt.json") && text.contains("dt.json"), "\(text)")
    for part in file.says { #expect(text.contains(part), "\(text)") }
    #expect(text.count <= 500 && !text.contains("\n"))
  }

  /// A mutated file is read or refused with a message that names it.
  @Test func mutations() throws {
    var random = SeededGenerator(seed: 3)
    let signs = Array("[]{}\",:019.-eE \\ox".utf8)
    var read = 0
    for round in 0..<4000 {
      let isResults = round % 2 == 1
      var bytes = Array((isResults ? BadFile.results : BadFile.annotations).utf8)
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        let place = Int.random(in: 0..<bytes.count, using: &random)
        let sign = signs[Int.random(in: 0..<signs.count, using: &random)]
        switch Int.random(in: 0..<4, using: &random) {
        case 0: bytes[place] = sign
        case 1: bytes.insert(sign, at: place)
        case 2:
          bytes.removeSubrange(
            place..<min(bytes.count, place + Int.random(in: 1...9, using: &random)))
        default: bytes.insert(contentsOf: Array("999999999999".utf8), at: place)
        }
        if bytes.isEmpty { bytes = [0x20] }
      }
      let outcome = COCOFuzz.read(bytes, isResults: isResults)
      if outcome == nil { read += 1 }
      #expect(outcome?.contains(isResults ? "results" : "annotations") ?? true, "\(outcome ?? "")")
    }
    #expect(read > 100)
  }
}
