import FlattenMetrics
import Foundation
import TestSupport
import Testing

@Suite struct ClassificationReportTests {
  private var report: ClassificationReport {
    var report = ClassificationReport(
      classes: [("n1", "apple"), ("n2", "a \"pear\", b"), ("n3", "quince")])
    for (truth, rank) in [(0, 0), (0, 1), (0, 4), (0, 5), (2, 0), (2, 7)] {
      report.add(truth: truth, rank: rank)
    }
    return report
  }

  @Test func countsByRank() {
    let report = report
    #expect(report.pictures == 6)
    #expect(report.top1 == 2.0 / 6 && report.top5 == 4.0 / 6)
    let counts = report.counts.map { [$0.pictures, $0.top1, $0.top5] }
    #expect(counts == [[4, 1, 3], [0, 0, 0], [2, 1, 1]])
  }

  @Test func figuresHaveNames() {
    #expect(ClassificationReport.figureNames == ["top1", "top5"])
    #expect(report.figure("top1") == 2.0 / 6 && report.figure("top5") == 4.0 / 6)
    #expect(report.figure("mIoU") == nil)
  }

  @Test func formats() throws {
    #expect(report.text() == "top-1 33.33  top-5 66.67  6 pictures\n")
    #expect(
      report.csv() == """
        index,id,name,pictures,top1,top5
        0,n1,"apple",4,1,3
        2,n3,"quince",2,1,1

        """)
    #expect(report.markdown().hasSuffix("| 6 | 33.33 | 66.67 |\n"))
    let json = try JSONDecoder().decode(JSONValue.self, from: Data(report.json().utf8))
    #expect(json["pictures"].int == 6 && json["schema_version"].int == 1)
    #expect(json["top1"].number == 2.0 / 6 * 100)
    #expect(json["classes"].list.map { $0["id"].text } == ["n1", "n3"])
    #expect(json["classes"][0]["top5"].int == 3)
  }

  @Test func nothingIsNaN() {
    let empty = ClassificationReport(classes: [("a", "b")])
    #expect(empty.top1.isNaN && empty.top5.isNaN)
    #expect(empty.text() == "top-1 nan  top-5 nan  0 pictures\n")
    #expect(empty.json().contains("\"top1\": null"))
  }
}
