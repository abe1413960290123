import FlattenData
import FlattenMetrics
import FlattenRegions
import TestSupport
import Testing

/// Detections of a model, scored picture by picture, give what their results file gives.
@Suite struct COCOPictureScorerTests {
  /// Pictures of 40x30 with boxes of whole pixels; a detector that is right sometimes.
  private struct Scene {
    let folder: TemporaryFolder
    let annotations: COCOAnnotations
    let results: COCOResults
    /// By the picture's place in the annotations.
    var detections: [Detections] = []

    init(seed: UInt64) throws {
      var random = SeededGenerator(seed: seed)
      let size = PixelSize(height: 30, width: 40)
      var (pictures, objects, found) = ([String](), [String](), [String]())
      for place in 0..<12 {
        let id = 90 - 7 * place
        pictures.append(#"{"id":\#(id),"width":40,"height":30,"file_name":"\#(id).png"}"#)
        var list: [DetectedObject] = []
        for number in 0..<Int.random(in: 0...6, using: &random) {
          let (x, y) = (
            Int.random(in: 0...25, using: &random), Int.random(in: 0...20, using: &random)
          )
          let side = Int.random(in: 2...10, using: &random)
          let category = [3, 5, 8][Int.random(in: 0...2, using: &random)]
          objects.append(
            #"{"id":\#(place * 10 + number + 1),"image_id":\#(id),"category_id":\#(category),"#
              + #""bbox":[\#(x),\#(y),\#(side),\#(side)],"area":\#(side * side),"iscrowd":\#(number == 5 ? 1 : 0),"#
              + #""segmentation":[[\#(x),\#(y),\#(x + side),\#(y),\#(x + side),\#(y + side),\#(x),\#(y + side)]]}"#
          )
          let (dx, dy) = (
            Int.random(in: 0...2, using: &random), Int.random(in: 0...2, using: &random)
          )
          let box = Box(
            left: Float(x + dx), top: Float(y + dy), right: Float(x + dx + side),
            bottom: Float(y + dy + side))
          let mask = RunLengthMask(box: box, size: size)
          // Eighths are the same as Float and as Double, and often equal.
          let score = Float(Int.random(in: 1...8, using: &random)) / 8
          // Category 9 is none of the annotations'.
          let guess = [category, category, 9, 3][Int.random(in: 0...3, using: &random)]
          list.append(
            DetectedObject(
              label: 0, categoryID: guess, name: "", score: score, box: box, mask: mask))
          found.append(
            #"{"image_id":\#(id),"category_id":\#(guess),"bbox":[\#(x + dx),\#(y + dy),\#(side),\#(side)],"#
              + #""score":\#(score),"segmentation":{"size":[30,40],"counts":"\#(mask.cocoString.replacing("\\", with: "\\\\"))"}}"#
          )
        }
        detections.append(Detections(size: size, objects: list))
      }
      let categories = [3, 5, 8].map { #"{"id":\#($0),"name":"c\#($0)"}"# }.joined(separator: ",")
      folder = try TemporaryFolder()
      let truth = try folder.file(
        "gt.json",
        Array(
          #"{"images":[\#(pictures.joined(separator: ","))],"annotations":[\#(objects.joined(separator: ","))],"categories":[\#(categories)]}"#
            .utf8))
      let file = try folder.file("dt.json", Array("[\(found.joined(separator: ","))]".utf8))
      annotations = try .load(path: truth, masks: true)
      results = try .load(paths: [file], for: annotations, masks: true)
    }
  }

  @Test(arguments: COCOSettings.Kind.allCases, COCOSettings.Convention.allCases)
  func agreesWithTheFile(_ kind: COCOSettings.Kind, _ convention: COCOSettings.Convention) throws {
    let scene = try Scene(seed: 5)
    #expect(scene.results.skipped > 0)
    var settings = COCOSettings(kind, convention: convention)
    for usesMaskAreas in [false, true] {
      settings.usesMaskAreas = usesMaskAreas
      let whole = AveragePrecision(
        try COCOEvaluation(scene.annotations, scene.results, settings))
      #expect(whole.numbers[0] > 0.05 && whole.numbers[0] < 0.95)
      let scorer = COCOPictureScorer(scene.annotations, settings)
      var total = scorer.empty
      for picture in scene.detections.indices.reversed() {
        try total.merge(scorer.evaluation(of: scene.detections[picture], picture: picture))
      }
      let scores = AveragePrecision(total)
      #expect(scores.numbers == whole.numbers)
      #expect(scores.precisionSums == whole.precisionSums && scores.objects == whole.objects)
      #expect(scores.pictures == scene.detections.count)
      #expect(throws: DetectionError.self) {
        try total.merge(scorer.evaluation(of: scene.detections[0], picture: 0))
      }
      let others = COCOPictureScorer(
        scene.annotations,
        COCOSettings(kind, convention: convention == .coco ? .mmdetection : .coco))
      #expect(throws: DetectionError.otherSettings) { try total.merge(others.empty) }
    }
  }

  @Test func figures() throws {
    let scene = try Scene(seed: 6)
    let evaluations = try COCOSettings.Kind.allCases.map {
      try COCOEvaluation(scene.annotations, scene.results, COCOSettings($0))
    }
    let report = DetectionReport(evaluations)
    let numbers = AveragePrecision(evaluations[0]).numbers
    for (name, value) in zip(AveragePrecision.names, numbers) {
      let figure = try #require(report.figure(name))
      #expect(figure == value || figure.isNaN && value == -1)
      let named = try #require(report.figure("bbox.\(name)"))
      #expect(named == figure || named.isNaN && figure.isNaN)
      #expect(report.figure("segm.\(name)") != nil && DetectionReport.figureNames.contains(name))
      #expect(report.figure("keypoints.\(name)") == nil && report.figure("x.bbox.\(name)") == nil)
    }
    #expect(report.figure("mIoU") == nil)
    #expect(DetectionReport([evaluations[1]]).figure("bbox.AP") == nil)
  }
}
