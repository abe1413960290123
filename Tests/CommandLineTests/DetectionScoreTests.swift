import FlattenImage
import FlattenRegions
import Foundation
import TestSupport
import Testing

extension CommandLineTests {
  /// `eval --results`: anyone's detections, scored without a model.
  @Suite struct DetectionScoreTests {
    private static let cases = Fixtures.detectionCases(kind: "coco_eval")

    private func json(_ outcome: Tool.Outcome) throws -> JSONValue {
      try JSONDecoder().decode(JSONValue.self, from: outcome.output)
    }

    /// The arguments for a golden case; `nil` where it needs what the command does not have.
    private func arguments(_ fixture: FixtureCase) throws -> [String]? {
      let parameters = try fixture.json()["params"]
      guard parameters["useCats"].isNull, parameters["catIds"].isNull else { return nil }
      let isMMDetection = parameters["maxDets"].ints == [100, 300, 1000]
      return [
        "eval", "--annotations", try #require(try fixture.file("ground_truth")).path, "--results",
        try #require(try fixture.file("detections")).path, "--iou-type",
        try #require(parameters["iou_type"].text), "--convention",
        isMMDetection ? "mmdetection" : "coco",
      ] + (parameters["drop_bbox"].bool == false ? ["--box-areas"] : [])
    }

    @Test(arguments: cases)
    func printsWhatPycocotoolsPrints(_ fixture: FixtureCase) throws {
      guard let arguments = try self.arguments(fixture) else { return }
      let folder = try Scratch()
      let outcome = try Tool.run(arguments + ["-q"], in: folder)
      expectSuccess(outcome)
      let file = try #require(try fixture.file("expected_json"))
      let expected = try JSONDecoder().decode(JSONValue.self, from: Data(contentsOf: file))
      let printed = expected["printed"].list.compactMap(\.text)
      #expect(printed.count == 12)
      for line in printed { #expect(outcome.text.contains(line + "\n"), "\(line)") }

      let stats = try #require(try fixture.tensors("expected")["stats"]).doubles
      let hasZero = try fixture.tensors("expected")["stats_renumbered"] != nil
      let report = try json(Tool.run(arguments + ["--format", "json", "-q"], in: folder))
      let kind = arguments[6]
      let numbers = report[hasZero ? "\(kind)_as_pycocotools_prints" : kind]
      let names = [
        "AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl",
      ]
      for (name, wanted) in zip(names, stats) {
        if wanted < 0 {
          #expect(numbers[name].isNull && numbers.fields[name] != nil, "\(name)")
        } else {
          #expect(abs((numbers[name].number ?? -1) - wanted) <= 1e-9, "\(name)")
        }
      }
      #expect(report["classes"].list.count == expected["categories"].list.count)
      #expect(report["convention"].text == arguments[8])
    }

    /// Parts merge into the report of one run; a picture in two parts is refused.
    @Test func partsMerge() throws {
      let fixture = try #require(
        Self.cases.first { (try? self.arguments($0)) != nil && $0.id.contains("bbox") }
          ?? Self.cases.first { (try? self.arguments($0)) != nil })
      let arguments = try #require(try self.arguments(fixture))
      let folder = try Scratch()
      let formats = ["table", "json", "csv", "markdown"]
      for part in 1...3 {
        expectSuccess(
          try Tool.run(
            arguments + ["--shard", "\(part)/3", "--part", "\(part).json", "-q"], in: folder))
      }
      for format in formats {
        let whole = try Tool.run(arguments + ["--format", format, "-q"], in: folder)
        let merged = try Tool.run(
          ["eval", "merge", "3.json", "1.json", "2.json", "--format", format], in: folder)
        expectSuccess(merged)
        #expect(merged.output == whole.output, "\(format)")
      }
      let twice = try Tool.run(["eval", "merge", "1.json", "2.json", "1.json"], in: folder)
      #expect(twice.status == 3 && twice.errors.contains("is in two parts"), "\(twice.errors)")
      let part = try #require(String(bytes: folder.read("1.json"), encoding: .utf8))
      let start = try #require(part.range(of: #""categories": ["#))
      let categories = (0...20_000).map { "[\($0 + 1_000_000), \"a\"]," }
      try folder.write(
        part.replacingCharacters(
          in: start.upperBound..<start.upperBound, with: categories.joined()), to: "many.json")
      let many = try Tool.run(["eval", "merge", "many.json"], in: folder)
      #expect(many.status == 3 && many.errors.contains("many.json"), "\(many.errors)")
      try folder.write("[1]", to: "bad.json")
      let bad = try Tool.run(["eval", "merge", "1.json", "bad.json"], in: folder)
      #expect(bad.status == 3 && bad.errors.contains("bad.json"), "\(bad.errors)")
    }

    private static let annotations =
      #"{"images":[{"id":1,"width":10,"height":8,"file_name":"a.png"}],"annotations":[{"id":1,"image_id":1,"#
      + #""category_id":3,"bbox":[1,1,4,4],"area":16,"iscrowd":0,"segmentation":[[1,1,5,1,5,5,1,5]]}],"#
      + #""categories":[{"id":3,"name":"car"},{"id":4,"name":"bus"}]}"#
    private static let results =
      #"[{"image_id":1,"category_id":3,"bbox":[1,1,4,4],"score":0.05},"#
      + #"{"image_id":1,"category_id":9,"bbox":[1,1,4,4],"score":0.5}]"#

    private func small() throws -> Scratch {
      let folder = try Scratch()
      try folder.write(Self.annotations, to: "gt.json")
      try folder.write(Self.results, to: "dt.json")
      return folder
    }

    private let eval = ["eval", "--annotations", "gt.json", "--results", "dt.json"]

    @Test func reportsGatesAndCurves() throws {
      let folder = try small()
      let outcome = try Tool.run(
        eval + ["--curves", "curves.png", "--fail-under", "AP=100,bbox.AP50=99.9"], in: folder)
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(outcome.errors.contains("1 of 2 detections are left out"))
      #expect(outcome.text.contains("maxDets=100 ] = 1.000\n"))
      #expect(outcome.text.contains("convention: pycocotools (COCO)"))
      let picture = try Image.decode(path: folder.path("curves.png")).value
      #expect(picture.width > 300 && picture.height > 300)
      let missed = try Tool.run(eval + ["--fail-under", "APs=99,AP=100.5"], in: folder)
      #expect(missed.status == 6 && missed.errors.contains("AP is 100.0000, at least 100.5"))
      let ofCar = try Tool.run(
        eval + ["--curves", "car.png", "--curves-of", "car,bus", "-q"], in: folder)
      expectSuccess(ofCar)
      let unknown = try Tool.run(
        eval + ["--curves", "no.png", "--curves-of", "cat", "-q"], in: folder)
      #expect(
        unknown.status == 2 && unknown.errors.contains("the classes are bus, car")
          || unknown.errors.contains("the classes are car, bus"))
      let csv = try Tool.run(eval + ["--format", "csv", "-q"], in: folder)
      // 1 / (1 + 2^-52): pycocotools keeps 0/0 away so.
      #expect(csv.lines.contains { $0.hasPrefix("bbox,3,car,1,0.99999999999999") })
      #expect(csv.lines.contains("bbox,4,bus,0,,,"))
      let markdown = try Tool.run(eval + ["--format", "markdown", "-q"], in: folder)
      #expect(markdown.lines.contains("| car | 1 | 1.000 | 1.000 | 1.000 |"))
    }

    /// The pictures with the most faults, drawn: what is missed in red, what is found wrongly in yellow.
    @Test func worstPicturesAreDrawn() throws {
      let folder = try Scratch()
      try folder.makeFolder("in/bad")
      for name in ["good", "bad/two", "one"] {
        try folder.makePicture("in/\(name).png", 64, 48)
      }
      let names = ["good", "bad/two", "one", "gone"]
      let pictures = names.enumerated().map {
        #"{"id":\#($0 + 1),"width":64,"height":48,"file_name":"\#($1).png"}"#
      }
      let objects = names.indices.map {
        #"{"id":\#($0 + 1),"image_id":\#($0 + 1),"category_id":3,"bbox":[8,8,20,20],"area":400,"iscrowd":0}"#
      }
      try folder.write(
        #"{"images":[\#(pictures.joined(separator: ","))],"annotations":["#
          + #"\#(objects.joined(separator: ","))],"categories":[{"id":3,"name":"car"}]}"#,
        to: "gt.json")
      // Found; nothing but a wrong one and one of too low a score; missed alone; missed alone.
      try folder.write(
        #"[{"image_id":1,"category_id":3,"bbox":[8,8,20,20],"score":0.9},"#
          + #"{"image_id":2,"category_id":3,"bbox":[40,24,20,20],"score":0.8},"#
          + #"{"image_id":2,"category_id":3,"bbox":[8,8,20,20],"score":0.2}]"#, to: "dt.json")
      let worst = eval + ["--images", "in", "-q", "--worst", "10"]
      let outcome = try Tool.run(worst + ["--worst-to", "faults"], in: folder)
      #expect(outcome.status == 5 && outcome.errors.contains("gone.png"), "\(outcome.errors)")
      #expect(outcome.text.contains("maxDets=100"), "the report does not suffer")
      let list = String(decoding: try folder.read("faults/worst.csv"), as: UTF8.self)
      #expect(
        list.split(separator: "\n") == [
          "rank,file,missed,false_finds,found,drawing",
          "1,bad/two.png,1,1,0,001_bad_two.jpg", "2,one.png,1,0,0,002_one.jpg",
          "3,gone.png,1,0,0,",
        ])
      let drawn = try Image.decode(path: folder.path("faults/001_bad_two.jpg")).value
      #expect(drawn.size == PixelSize(height: 48, width: 64))
      let (missed, wrong) = (drawn[8, 18], drawn[59, 40])
      #expect(missed.red > 150 && missed.green < 110, "\(missed)")
      #expect(wrong.red > 150 && wrong.green > 130 && wrong.blue < 110, "\(wrong)")
      #expect(
        try FileManager.default.contentsOfDirectory(atPath: folder.path("faults")).sorted()
          == ["001_bad_two.jpg", "002_one.jpg", "worst.csv"])

      let again = try Tool.run(worst + ["--worst-to", "faults"], in: folder)
      expectFailure(again, status: 1, says: "--overwrite")
      let lower = try Tool.run(
        worst + ["--worst-to", "faults", "--worst-score", "0.1", "--overwrite"], in: folder)
      #expect(lower.status == 5)
      let second = String(decoding: try folder.read("faults/worst.csv"), as: UTF8.self)
      #expect(second.contains("1,bad/two.png,0,1,1,") && !second.contains("good"))
      // What cannot be drawn costs neither the gate nor the other options' results.
      let gated = try Tool.run(
        worst + ["--worst-to", "faults/", "--overwrite", "--fail-under", "AP=99"], in: folder)
      #expect(gated.status == 6 && gated.errors.contains("at least 99"), "\(gated.errors)")
      let blind = try Tool.run(eval + ["--worst", "3"], in: folder)
      expectFailure(blind, status: 2, says: "--worst needs --images")
    }

    /// Masks of another size than the picture's are told, also where the annotations have no sizes; scores of other
    /// programs count from 0.3 on; a folder with anything else is refused before anything is read.
    @Test func worstPicturesOfStrangeFiles() throws {
      let folder = try Scratch()
      try folder.makeFolder("in")
      try folder.makePicture("in/a.png", 64, 48)
      try folder.makePicture("in/b.png", 64, 48)
      try folder.write(
        #"{"images":[{"id":1,"file_name":"a.png"},{"id":2,"file_name":"b.png","width":64,"height":48}],"#
          + #""annotations":[{"id":1,"image_id":2,"category_id":3,"bbox":[8,8,9,9],"area":81,"iscrowd":0,"#
          + #""segmentation":[[8,8,17,8,17,17,8,17]]}],"categories":[{"id":3,"name":"car"}]}"#,
        to: "gt.json")
      try folder.write(
        #"[{"image_id":1,"category_id":3,"score":0.5,"segmentation":{"size":[8,8],"counts":[10,20,34]}}]"#,
        to: "dt.json")
      let worst = eval + ["--images", "in", "-q", "--worst", "2"]
      let masks = try Tool.run(worst + ["--iou-type", "segm"], in: folder)
      #expect(masks.status == 5 && masks.errors.contains("its masks are 8x8"), "\(masks.errors)")
      let list = String(decoding: try folder.read("worst/worst.csv"), as: UTF8.self)
      #expect(list.hasSuffix("1,a.png,0,1,0,\n2,b.png,1,0,0,002_b.jpg\n"))
      try folder.makeFolder("mine")
      try folder.write("x", to: "mine/notes.txt")
      let foreign = try Tool.run(
        worst + ["--worst-to", "mine", "--overwrite", "--iou-type", "segm"], in: folder)
      expectFailure(foreign, status: 1, says: "holds 'notes.txt'")
      #expect(foreign.text == "")
    }

    @Test func usage() throws {
      let folder = try small()
      let wrong: [([String], Int32, String)] = [
        (["eval", "--results", "dt.json"], 2, "--results needs --annotations"),
        (["eval", "--annotations", "gt.json"], 2, "--annotations needs --images"),
        (eval + ["--data", "x"], 2, "--data has no meaning"),
        (
          [
            "eval", "--dataset", "street", "--data", ".", "--predictions", ".", "--iou-type",
            "bbox",
          ],
          2, "--iou-type has no meaning where a folder of masks"
        ),
        (["eval", "--data", ".", "--convention", "mmdetection"], 2, "--convention has no meaning"),
        (eval + ["--shard", "1/2"], 2, "--shard and --part belong together"),
        (eval + ["--shard", "3/2", "--part", "p.json"], 2, "'3/2' is invalid"),
        (eval + ["--iou-type", "keypoints"], 2, "'keypoints' is invalid"),
        (eval + ["--iou-type", "segm"], 3, "dt.json: [0] has no segmentation"),
        (eval + ["--fail-under", "mIoU=3"], 2, "--fail-under names mIoU"),
        (eval + ["--fail-under", "AP=x"], 2, "'AP=x' is invalid"),
        (eval + ["--curves-of", "car"], 2, "--curves-of belongs to --curves"),
        (eval + ["--output", "x.png"], 2, "which is not what its name says"),
        (["eval", "--annotations", "no.json", "--results", "dt.json"], 3, "no.json: no such file"),
        (["eval", "--annotations", "dt.json", "--results", "gt.json"], 3, "as results are"),
        (["eval"], 2, "No data set is named"),
      ]
      for (arguments, status, text) in wrong {
        let outcome = try Tool.run(arguments, in: folder)
        #expect(outcome.status == status && outcome.errors.contains(text), "\(outcome.errors)")
      }
    }

    @Test func annotationsAreCheckedAndMended() throws {
      let folder = try small()
      try folder.makePicture("a.png", 10, 8)
      let good = try Tool.run(["datasets", "check", "gt.json", "--images", "."], in: folder)
      expectSuccess(good)
      #expect(good.text.contains("1 picture, 1 annotation, 2 categories, 0 problems"))
      #expect(good.text.contains("3  car: 1"))

      let bad = Self.annotations
        .replacing(#""id":1,"image_id":1,"#, with: #""id":0,"image_id":1,"#)
        .replacing(#""area":16,"iscrowd":0,"#, with: "")
        .replacing("[1,1,4,4]", with: "[-3,1,6,4]")
        .replacing(#""width":10,"height":8"#, with: #""width":8,"height":10"#)
        .replacing("]}],", with: #"]},{"id":0,"image_id":1,"category_id":7,"bbox":[0,0,1,1]}],"#)
      try folder.write(bad, to: "bad.json")
      let checked = try Tool.run(
        ["datasets", "check", "bad.json", "--images", "."], in: folder)
      #expect(checked.status == 3)
      for text in [
        "bad.json: annotations[0] (id 0): has the id 0", "has no iscrowd", "has no area",
        "category_id is 7, which categories do not have", "leaves its picture of 8x10",
        "images[0] (id 1): is 8x10 here and 10x8 in 'a.png'", "other way round",
      ] { #expect(checked.text.contains(text), "\(text)\n\(checked.text)") }

      let mended = try Tool.run(
        ["datasets", "convert", "bad.json", "--output", "mended.json"], in: folder)
      #expect(mended.status == 0, "\(mended.errors)")
      #expect(mended.text.contains("1 annotation written"))
      #expect(mended.text.contains("1 box clipped, annotations numbered anew"))
      let again = try Tool.run(["datasets", "check", "mended.json"], in: folder)
      expectSuccess(again)
      let written = try JSONDecoder().decode(
        JSONValue.self, from: folder.read("mended.json"))
      let first = written["annotations"][0]
      #expect(first["id"].int == 1 && first["iscrowd"].int == 0 && first["area"].number == 16)
      #expect(first["bbox"].ints == [0, 1, 3, 4])
      #expect(first["segmentation"][0].ints == [1, 1, 5, 1, 5, 5, 1, 5])
      let refused = try Tool.run(
        ["datasets", "convert", "bad.json", "--output", "mended.json"], in: folder)
      #expect(refused.status == 1)
    }

    /// What is written agrees with itself, and is JSON whatever was read.
    @Test func mendedBoxesHaveTheirOwnAreas() throws {
      let folder = try small()
      let text = Self.annotations
        .replacing(#""area":16,"#, with: "")
        .replacing(
          "]}],",
          with: """
            ]},{"id":2,"image_id":1,"category_id":3,"bbox":[2,2,100,100],"iscrowd":0},
            {"id":3,"image_id":1,"category_id":3,"bbox":[0,0,0,5],"iscrowd":0,
             "segmentation":[[1,1,5,1,5,3,1,3]]},
            {"id":4,"image_id":2,"category_id":3,"bbox":[0,0,1e200,1e200],"iscrowd":0}],
            """
        ).replacing("\"a.png\"}", with: "\"a.png\"},{\"id\":2,\"file_name\":\"b.png\"}")
      try folder.write(text, to: "bad.json")
      let mended = try Tool.run(
        ["datasets", "convert", "bad.json", "--output", "mended.json"], in: folder)
      #expect(mended.status == 0, "\(mended.errors)")
      let written = try JSONDecoder().decode(JSONValue.self, from: folder.read("mended.json"))
      let objects = written["annotations"].list
      #expect(objects.map { $0["id"].int } == [1, 2, 3], "the fourth has no area that is a number")
      #expect(objects.map { $0["bbox"].ints } == [[1, 1, 4, 4], [2, 2, 8, 6], [1, 1, 4, 2]])
      #expect(objects.map { $0["area"].number } == [16, 48, 8])
    }

    /// A small file does not choose how much memory is used.
    @Test func smallFilesDoNotGrow() throws {
      let folder = try small()
      for name in ["wide", "far", "many", "yolo/images", "yolo/labels"] {
        try folder.makeFolder(name)
      }
      func labelMe(_ width: Int, _ points: String) -> String {
        #"{"shapes":[{"label":"a","points":["# + points
          + #"],"shape_type":"polygon"}],"imagePath":"b.jpg","imageHeight":3,"imageWidth":\#(width)}"#
      }
      let zigzag = String(repeating: "[0,1],[65000,2],", count: 200) + "[0,3]"
      try folder.write(labelMe(1 << 21, "[0,0],[1,0],[1,1]"), to: "wide/b.json")
      try folder.write(labelMe(20, "[1e308,0],[1,0],[1,1]"), to: "far/b.json")
      try folder.write(labelMe(65_000, zigzag), to: "many/b.json")
      try folder.makePicture("yolo/images/a.png", 60_000, 2)
      try folder.write(
        "0 " + String(repeating: "0 0 1 1 ", count: 200) + "0 1\n", to: "yolo/labels/a.txt")
      try folder.write("cat\n", to: "yolo/classes.txt")
      for (source, format, says) in [
        ("wide", "labelme", "no imageWidth and imageHeight"), ("far", "labelme", "a point lies"),
        ("many", "labelme", "fewer points"), ("yolo", "yolo", "line 1 has a polygon"),
      ] {
        let outcome = try Tool.run(
          ["datasets", "convert", source, "--from", format, "--output", "x.json"], in: folder)
        #expect(outcome.status == 3 && outcome.errors.contains(says), "\(source) \(outcome.errors)")
      }
      let polygons = #"[["# + String(repeating: "0,1,1000000,2,", count: 20) + "0,3]]"
      let tall = Self.annotations
        .replacing(#""width":10,"height":8"#, with: #""width":1048576,"height":8"#)
        .replacing("[[1,1,5,1,5,5,1,5]]", with: polygons)
      try folder.write(tall, to: "gt.json")
      let scored = try Tool.run(eval + ["--iou-type", "segm"], in: folder)
      #expect(scored.status == 3 && scored.errors.contains("fewer points"), "\(scored.errors)")
    }

    @Test func otherFormatsBecomeAnnotations() throws {
      let folder = try Scratch()
      for name in ["yolo/images", "yolo/labels", "labelme", "objects", "classes"] {
        try folder.makeFolder(name)
      }
      try folder.makePicture("yolo/images/a.png", 20, 10)
      try folder.makePicture("yolo/images/none.png", 20, 10)
      try folder.write("1 0.5 0.5 0.2 0.4\n0 0.1 0.1 0.5 0.1 0.5 0.5\n", to: "yolo/labels/a.txt")
      try folder.write("cat\ndog\n", to: "yolo/classes.txt")
      try folder.write(
        #"{"version":"5.0","shapes":[{"label":"dog","points":[[2,2],[6,4]],"shape_type":"rectangle","group_id":null},"#
          + #"{"label":"cat","points":[[1,1],[5,1],[5,5]],"shape_type":"polygon","group_id":4},"#
          + #"{"label":"cat","points":[[7,1],[9,1],[9,5]],"shape_type":"polygon","group_id":4},"#
          + #"{"label":"cat","points":[[7,1]],"shape_type":"point"}],"#
          + #""imagePath":"..\\pictures\\b.jpg","imageData":null,"imageHeight":10,"imageWidth":20}"#,
        to: "labelme/b.json")
      let numbers: [UInt16] = [0, 300, 300, 0, 7, 7, 0, 300, 0, 0, 7, 7]
      let classes: [UInt16] = [0, 1, 1, 0, 2, 2, 0, 0, 0, 0, 2, 1]
      try LabelMap(width: 4, height: 3, ids: numbers).write(
        to: folder.path("objects/c.png"), as: .grey16)
      try LabelMap(width: 4, height: 3, ids: classes).write(
        to: folder.path("classes/c.png"), as: .grey8)

      func convert(_ arguments: [String]) throws -> JSONValue {
        let outcome = try Tool.run(
          ["datasets", "convert"] + arguments + ["--output", "out.json", "--overwrite"], in: folder)
        #expect(outcome.status == 0, "\(outcome.errors)")
        expectSuccess(try Tool.run(["datasets", "check", "out.json"], in: folder))
        return try JSONDecoder().decode(JSONValue.self, from: folder.read("out.json"))
      }
      let yolo = try convert(["yolo", "--from", "yolo"])
      #expect(
        yolo["images"].list.map { $0["file_name"].text } == ["images/a.png", "images/none.png"])
      #expect(yolo["categories"].list.map { $0["name"].text } == ["cat", "dog"])
      #expect(yolo["annotations"][0]["bbox"].list.compactMap(\.number) == [8, 3, 4, 4])
      #expect(yolo["annotations"].list.map { $0["category_id"].int } == [2, 1])
      #expect(yolo["annotations"][1]["segmentation"][0].ints == [2, 1, 10, 1, 10, 5])

      let labelMe = try convert(["labelme", "--from", "labelme"])
      #expect(labelMe["images"][0]["file_name"].text == "b.jpg")
      #expect(labelMe["annotations"].list.count == 2)
      #expect(labelMe["annotations"][0]["bbox"].ints == [2, 2, 4, 2])
      #expect(labelMe["annotations"][0]["area"].int == 8)
      #expect(labelMe["annotations"][1]["bbox"].ints == [1, 1, 8, 4])
      #expect(labelMe["annotations"][1]["segmentation"].list.count == 2)

      let objects = try convert(["objects", "--from", "instances", "--labels", "classes"])
      #expect(objects["annotations"].list.map { $0["area"].int } == [4, 3])
      #expect(
        objects["annotations"].list.map { $0["bbox"].ints } == [[0, 1, 4, 2], [1, 0, 3, 2]])
      #expect(objects["annotations"].list.map { $0["category_id"].int } == [3, 2])
      try folder.write("0 12 0.5 0.2 0.4\n", to: "yolo/labels/a.txt")
      let pixels = try Tool.run(
        ["datasets", "convert", "yolo", "--from", "yolo", "--output", "x.json"], in: folder)
      #expect(pixels.status == 3 && pixels.errors.contains("a.txt: line 1 has a number"))
    }
  }
}
