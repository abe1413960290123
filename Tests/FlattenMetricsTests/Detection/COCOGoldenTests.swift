import FlattenData
import Foundation
import TestSupport
import Testing

@testable import FlattenMetrics

/// Average precision against pycocotools: all numbers, the printed lines, and who found whom.
@Suite struct COCOGoldenTests {
  private static let cases = Fixtures.detectionCases(kind: "coco_eval")

  @Test func thereAreCases() { #expect(!Self.cases.isEmpty) }

  /// A golden case, read and evaluated.
  private struct Scored {
    let annotations: COCOAnnotations
    let results: COCOResults
    let settings: COCOSettings
    let evaluation: COCOEvaluation

    init(_ fixture: FixtureCase, threads: Int = 1) throws {
      let parameters = try fixture.json()["params"]
      let kind = try #require(COCOSettings.Kind(rawValue: parameters["iou_type"].text ?? ""))
      var settings = COCOSettings(kind)
      let limits = parameters["maxDets"].ints
      if !limits.isEmpty {
        settings.convention = try #require(
          COCOSettings.Convention.allCases.first { $0.maxDetections == limits })
      }
      settings.usesCategories = parameters["useCats"].int != 0
      if case .array = parameters["catIds"] { settings.categoryIDs = parameters["catIds"].ints }
      settings.usesMaskAreas = parameters["drop_bbox"].bool == true
      self.settings = settings
      let masks = kind == .segm
      annotations = try .load(
        path: #require(try fixture.file("ground_truth")).path, masks: masks)
      results = try .load(
        paths: [#require(try fixture.file("detections")).path], for: annotations, masks: masks)
      evaluation = try COCOEvaluation(
        annotations, results, settings, threads: threads)
    }
  }

  private func compare(
    _ got: [Double], _ name: String, _ fixture: FixtureCase, _ expected: [String: FixtureTensor]
  ) throws {
    let tensor = try #require(expected[name], "\(name)")
    let described = try fixture.json()["expected"][name]
    let tolerance = try #require(described["atol"].number)
    let wanted = tensor.doubles
    #expect(got.count == wanted.count, "\(name)")
    for (index, (a, b)) in zip(got, wanted).enumerated() {
      let isSame = a.isNaN && b.isNaN || abs(a - b) <= tolerance
      #expect(isSame, "\(name)[\(index)]: \(a), not \(b)")
    }
  }

  @Test(arguments: cases)
  func numbers(_ fixture: FixtureCase) throws {
    let expected = try fixture.tensors("expected")
    let scored = try Scored(fixture)
    // The stored numbers are pycocotools' where it has a bug, and the right ones beside them.
    let hasZero = expected["stats_renumbered"] != nil
    #expect(scored.annotations.hasZeroID == hasZero)
    let scores = AveragePrecision(scored.evaluation, likePycocotools: hasZero)
    try compare(scores.numbers, "stats", fixture, expected)
    if hasZero {
      try compare(
        AveragePrecision(scored.evaluation).numbers, "stats_renumbered", fixture, expected)
    }
    let (count, points) = (scores.categories.count, 101)
    try compare(scores.precisionSums, "precision_sum", fixture, expected)
    try compare(scores.scoreSums, "score_sum", fixture, expected)
    try compare(scores.recalls, "recall", fixture, expected)
    for (name, threshold) in [("precision_50_all", 0), ("precision_75_all", 5)] {
      let values = (0..<count).flatMap { category in
        let curve = scores.curve(threshold: threshold, category: category)
        return curve.isEmpty ? [Double](repeating: -1, count: points) : curve
      }
      try compare(values, name, fixture, expected)
    }
    let all = scores.curve()
    if !all.isEmpty {
      let mean = all.reduce(0, +) / Double(points)
      #expect(abs(mean - scores.averagePrecision()) <= 1e-12)
    }
    let means = (0..<count).map { category in
      let mean = scores.averagePrecision(category: category)
      return mean < 0 ? Double.nan : mean
    }
    try compare(means, "category_ap", fixture, expected)
  }

  @Test(arguments: cases)
  func printedLines(_ fixture: FixtureCase) throws {
    let scored = try Scored(fixture)
    let report = DetectionReport([scored.evaluation])
    let wanted = try expectedJSON(fixture)["printed"].list.compactMap(\.text)
    #expect(wanted.count == 12)
    let part = try #require(report[scored.settings.kind])
    #expect(DetectionReport.twelveLines(part.pycocotools ?? part.scores) == wanted)
    for line in wanted { #expect(report.text().contains(line + "\n")) }
    #expect((part.pycocotools != nil) == scored.annotations.hasZeroID)
    #expect(
      report.text().contains("an annotation has the id 0") == scored.annotations.hasZeroID)
  }

  private func expectedJSON(_ fixture: FixtureCase) throws -> JSONValue {
    let file = try #require(try fixture.file("expected_json"))
    return try JSONDecoder().decode(JSONValue.self, from: Data(contentsOf: file))
  }

  /// Who found whom, at two thresholds.
  @Test(arguments: cases)
  func matches(_ fixture: FixtureCase) throws {
    let scored = try Scored(fixture)
    let (annotations, results) = (scored.annotations, scored.results)
    let json = try expectedJSON(fixture)
    if scored.settings.usesCategories {
      #expect(scored.evaluation.categories.map(\.id) == json["categories"].ints)
    }
    var compared = 0
    for entry in json["matches_area_all"].list {
      let picture = try #require(entry["image"].int)
      let category = scored.settings.usesCategories ? entry["category"].int : nil
      // In the order of pycocotools: by category where they are not told apart, then as in the file.
      let categories = annotations.categories.map(\.id).sorted()
      func members(_ pictures: [Int32], _ ofCategory: [Int32]) -> [Int] {
        categories.filter { category == nil || $0 == category }.flatMap { id in
          pictures.indices.filter {
            annotations.pictures[Int(pictures[$0])].id == picture
              && annotations.categories[Int(ofCategory[$0])].id == id
          }
        }
      }
      let objects = members(annotations.pictureIndex, annotations.categoryIndex)
      let all = members(results.pictureIndex, results.categoryIndex)
      let ranked = all.enumerated().sorted {
        let (a, b) = (results.scores[$0.element], results.scores[$1.element])
        return a != b ? a > b : $0.offset < $1.offset
      }
      let detections = ranked.map(\.element).prefix(
        scored.settings.convention.maxDetections.last ?? 0)
      let isBox = scored.settings.kind == .bbox
      let overlaps = try detections.flatMap { detection in
        try objects.map { object in
          isBox
            ? results.boxes[detection].overlap(
              with: annotations.boxes[object], isCrowd: annotations.isCrowd[object])
            : try #require(try results.mask(detection, annotations)).intersectionOverUnion(
              with: try #require(try annotations.mask(object)),
              isCrowd: annotations.isCrowd[object])
        }
      }
      let areas = try detections.map { detection in
        isBox || !scored.settings.usesMaskAreas
          ? results.boxes[detection].area
          : Double(try #require(try results.mask(detection, annotations)).area)
      }
      var matcher = DetectionMatcher()
      matcher.match(
        detectionAreas: areas, objectAreas: objects.map { annotations.areas[$0] },
        isCrowd: objects.map { annotations.isCrowd[$0] }, overlaps: overlaps, keepsMatches: true)
      let places = detections.map { Int(results.place($0).place.dropFirst().dropLast()) ?? -1 }
      #expect(places.map { $0 + 1 } == entry["dt"].ints, "detections of \(picture)")
      #expect(
        objects.map { annotations.ids[$0] }.sorted() == entry["gt"].ints.sorted(),
        "objects of \(picture)")
      #expect(
        Int(matcher.wanted[0]) == entry["gt_ignore"].ints.count { $0 == 0 } || objects.isEmpty)
      for (name, threshold) in [("dt_match_50", 0), ("dt_match_75", 5)] {
        let ids = detections.indices.map { place in
          let match = Int(matcher.matches[threshold * detections.count + place])
          return match < 0 ? 0 : annotations.ids[objects[match]]
        }
        #expect(ids == entry[name].ints, "\(name) of \(picture)")
      }
      let ignored = matcher.ignored.map { Int($0 & 1) }
      #expect(ignored == entry["dt_ignore_50"].ints, "dt_ignore_50 of \(picture)")
      compared += 1
    }
    #expect(compared > 0)
  }

  /// What is missed and found wrongly, counted from pycocotools' matches; and each object by itself.
  @Test(arguments: cases)
  func faults(_ fixture: FixtureCase) throws {
    let scored = try Scored(fixture)
    let faults = scored.evaluation.faults(above: -.infinity)
    #expect(Set(faults.map(\.picture)) == scored.evaluation.pictures)
    #expect(faults.map(\.count) == faults.map(\.count).sorted(by: >))
    let scorer = COCOPictureScorer(scored.annotations, scored.settings)
    var compared: [Int: [ComparedObject]] = [:]
    for fault in faults {
      let place = try #require(
        scored.annotations.pictures.firstIndex { $0.id == fault.picture })
      let objects = try scorer.compared(scored.results, picture: place, above: -.infinity)
      #expect(objects.count { $0.verdict == .found } == fault.found)
      #expect(objects.count { $0.verdict == .missed } == fault.missed)
      #expect(objects.count { $0.verdict == .falseFind } == fault.falseFinds)
      compared[fault.picture] = objects
    }
    // The annotation of id 0 looks like none there.
    if scored.annotations.hasZeroID { return }
    let names = Dictionary(
      uniqueKeysWithValues: scored.annotations.categories.map { ($0.id, $0.name) })
    try #require(Set(names.values).count == names.count)
    for entry in try expectedJSON(fixture)["matches_area_all"].list {
      let picture = try #require(entry["image"].int)
      let name = scored.settings.usesCategories ? entry["category"].int.flatMap { names[$0] } : nil
      let objects = try #require(compared[picture]).filter { name == nil || $0.name == name }
      let isCounted = entry["dt_ignore_50"].ints.map { $0 == 0 }
      let hits = zip(entry["dt_match_50"].ints, isCounted).count { $0 != 0 && $1 }
      let wanted = entry["gt_ignore"].ints.count { $0 == 0 }
      #expect(objects.count { $0.verdict == .found } == hits, "picture \(picture)")
      #expect(objects.count { $0.verdict == .missed } == wanted - hits, "picture \(picture)")
      #expect(
        objects.count { $0.verdict == .falseFind } == isCounted.count { $0 } - hits,
        "picture \(picture)")
    }
  }

  /// Files in another order, several threads and merged shards give the same bits.
  @Test(arguments: cases)
  func orderChangesNothing(_ fixture: FixtureCase) throws {
    let scored = try Scored(fixture)
    let whole = AveragePrecision(scored.evaluation)
    for threads in [2, 3, 8] {
      let other = try AveragePrecision(Scored(fixture, threads: threads).evaluation)
      #expect(other.numbers == whole.numbers && other.precisionSums == whole.precisionSums)
      #expect(other.recalls == whole.recalls && other.scoreSums == whole.scoreSums)
    }
    for count in [2, 3] {
      let shards = try (0..<count).reversed().map { index in
        try COCOEvaluation(
          scored.annotations, scored.results, scored.settings,
          shard: .init(index: index, count: count))
      }
      var merged = shards[0]
      for shard in shards.dropFirst() { try merged.merge(shard) }
      let other = AveragePrecision(merged)
      #expect(other.numbers == whole.numbers && other.precisionSums == whole.precisionSums)
      #expect(DetectionReport([merged]).json() == DetectionReport([scored.evaluation]).json())
      let twice = #expect(throws: DetectionError.self) { try merged.merge(shards[0]) }
      #expect(twice == .pictureTwice(try #require(shards[0].pictures.min())))
      let written = try shards.map {
        try #require(
          try COCOEvaluation.read(part: Array(COCOEvaluation.part([$0]).utf8), name: "part.json")
            .first)
      }
      #expect(
        written.map { AveragePrecision($0).numbers } == shards.map { AveragePrecision($0).numbers })
      var read = written[0]
      for shard in written.dropFirst() { try read.merge(shard) }
      #expect(DetectionReport([read]).text() == DetectionReport([scored.evaluation]).text())
      #expect(DetectionReport([read]).json() == DetectionReport([scored.evaluation]).json())
    }
  }
}
