import FlattenMetrics
import Foundation
import TestSupport
import Testing

@Suite struct EvaluationReportTests {
  private func report() throws -> EvaluationReport {
    var matrix = ConfusionMatrix(classes: 3)
    matrix.add(
      prediction: [0, 0, 1, 0, 1, 1], truth: [0, 0, 0, 1, 1, 255], ignoreIndex: 255)
    return try EvaluationReport(
      matrix: matrix, classNames: ["sky", "a, \"b\"|c", "car"], pictures: 2)
  }

  @Test func text() throws {
    #expect(
      try report().text()
        == """
        class       IoU    Acc   Dice  Fscore  Precision  Recall
        --------------------------------------------------------
        sky       50.00  66.67  66.67   66.67      66.67   66.67
        a, "b"|c  33.33  50.00  50.00   50.00      50.00   50.00
        car         nan    nan    nan     nan        nan     nan
        --------------------------------------------------------
        mean      41.67  58.33  58.33   58.33      58.33   58.33
        aAcc 60.00  mIoU 41.67  mAcc 58.33
        2 pictures, 5 labelled pixels. mmsegmentation IoUMetric: ignored pixels are left out; a \
        class absent from labels and predictions is nan and leaves the means; a class only \
        predicted has IoU 0; exact counts.

        """)
  }

  /// By hand: 3 of 5 pixels right; IoU 1/2 and 1/3, accuracy 2/3 and 1/2, Dice 2/3 and 1/2.
  @Test func figuresHaveNames() throws {
    let report = try report()
    #expect(EvaluationReport.figureNames == ["aAcc", "mIoU", "mAcc", "mDice", "mFscore"])
    let figures = EvaluationReport.figureNames.compactMap(report.figure)
    for (figure, expected) in zip(figures, [3.0 / 5, 5.0 / 12, 7.0 / 12, 7.0 / 12, 7.0 / 12]) {
      #expect(abs(figure - expected) < 1e-15)
    }
    #expect(figures.count == 5)
    #expect(report.figure("mPrecision") == nil && report.figure("top1") == nil)
  }

  @Test func jsonHasStableKeysAndFullDigits() throws {
    let text = try report().json()
    let json = try JSONDecoder().decode(JSONValue.self, from: Data(text.utf8))
    #expect(json["schema_version"].int == 1)
    #expect(json["pictures"].int == 2 && json["pixels"].int == 5)
    #expect(json["aAcc"].number == 60)
    #expect(json["mIoU"].number == (0.5 + 1.0 / 3) / 2 * 100)
    #expect(json["classes"].list.count == 3)
    #expect(json["classes"][1]["name"].text == "a, \"b\"|c")
    #expect(json["classes"][0]["Precision"].number == 2.0 / 3 * 100)
    #expect(json["classes"][2]["IoU"].isNull && json["classes"][2].fields["IoU"] != nil)
    #expect(json["convention"].text?.hasPrefix("mmsegmentation") == true)
    let keys = [
      "schema_version", "convention", "beta", "nan_to_num", "pictures", "pixels", "aAcc", "mIoU",
      "mAcc", "mDice", "mFscore", "mPrecision", "mRecall", "classes",
    ]
    let positions = keys.map { text.range(of: "\"\($0)\":")?.lowerBound }
    #expect(!positions.contains(nil))
    #expect(positions.compactMap(\.self) == positions.compactMap(\.self).sorted())
    let line = "    {\"name\": \"sky\", \"IoU\": 50.0, \"Acc\": 66.66666666666666, "
    #expect(text.contains(line))
  }

  @Test func csv() throws {
    let lines = try report().csv().split(separator: "\n", omittingEmptySubsequences: false)
    #expect(lines[0] == "class,IoU,Acc,Dice,Fscore,Precision,Recall")
    #expect(lines[1].hasPrefix("sky,50.0,66.66666666666666,"))
    #expect(lines[2].hasPrefix("\"a, \"\"b\"\"|c\",33.3333333"))
    #expect(lines[3] == "car,,,,,,")
    #expect(lines[4].hasPrefix("mean,41.66"))
  }

  @Test func confusionCSV() throws {
    #expect(
      try report().confusionCSV() == """
        truth\\prediction,sky,"a, ""b""|c",car
        sky,2,1,0
        "a, ""b""|c",1,1,0
        car,0,0,0

        """)
  }

  @Test func markdown() throws {
    let lines = try report().markdown().split(separator: "\n", omittingEmptySubsequences: false)
    #expect(lines[0] == "| class | IoU | Acc | Dice | Fscore | Precision | Recall |")
    #expect(lines[3].hasPrefix("| a, \"b\"\\|c | 33.33 |"))
    #expect(lines[5].hasPrefix("| **mean** | 41.67 |"))
  }

  @Test func anEmptySetIsAnErrorNotATableOfNaN() {
    let empty = ConfusionMatrix(classes: 2)
    #expect(throws: MetricsError.nothingToScore(pictures: 0)) {
      try EvaluationReport(matrix: empty, classNames: ["a", "b"], pictures: 0)
    }
    #expect(throws: MetricsError.classNames(got: 1, expected: 2)) {
      try EvaluationReport(matrix: empty, classNames: ["a"], pictures: 0)
    }
  }
}
