import FlattenData
import FlattenFiles
import FlattenMetrics
import FlattenTensor
import FlattenVision

// Scoring detections that were made elsewhere: average precision of boxes and masks.
extension EvalCommand {
  /// Scores the results files.
  func scoreResults() throws -> DetectionReport {
    try requireOptionsOfResults()
    try reporting.requireGates(among: DetectionReport.figureNames)
    guard let path = detections.annotations else { throw RequestError("--annotations is wanted.") }
    let asked = detections.iouType?.kinds
    let masks = asked.map { $0.contains(.segm) } ?? true
    let annotations = try COCOAnnotations.load(path: path, masks: masks)
    let results = try COCOResults.load(paths: detections.results, for: annotations, masks: masks)
    (annotations.warnings + results.warnings).forEach(onWarning)
    let comparable = results.comparable(with: annotations)
    let kinds =
      asked ?? Set((comparable.boxes ? [.bbox] : []) + (comparable.masks ? [.segm] : []))
    let evaluations = try COCOSettings.Kind.allCases.filter(kinds.contains).map { kind in
      var settings = COCOSettings(kind, convention: detections.convention)
      settings.usesMaskAreas = !detections.boxAreas
      return try COCOEvaluation(
        annotations, results, settings,
        shard: detections.shard?.shard ?? .init(index: 0, count: 1),
        threads: model.compute.threads ?? Processors.available)
    }
    let report = DetectionReport(evaluations)
    if let part = detections.part {
      try AtomicFile.write(COCOEvaluation.part(evaluations), to: part)
    }
    try detections.curves.write(report)
    return report
  }

  /// Refuses options that would be ignored.
  private func requireOptionsOfResults() throws {
    let given = [
      ("--weights", model.weights != nil), ("--config", model.config != nil),
      ("--data", data != nil), ("--dataset", dataset != nil),
      ("--predictions", predictions != nil), ("--limit", limit != nil),
      ("--mode", inference.mode != nil), ("--scales", !inference.scales.isEmpty),
      ("--flip", !inference.flip.isEmpty), ("--classes", datasetOptions.classes != nil),
      ("--split", datasetOptions.split != nil), ("--images", datasetOptions.images != nil),
      ("--labels", datasetOptions.labels != nil),
      ("--ignore-index", datasetOptions.ignoreIndex != nil),
      ("--reduce-zero-label", datasetOptions.reduceZeroLabel != nil),
      ("--confusion", confusion != nil), ("--confusion-picture", confusionPicture != nil),
    ]
    if let (name, _) = given.first(where: { $0.1 }) {
      throw RequestError("--results scores detections that are there; leave \(name) out.")
    }
  }
}
