import FlattenData
import FlattenFiles
import FlattenMetrics
import FlattenTensor
import FlattenVision

// Scoring detections that were made elsewhere: average precision of boxes and masks.
extension EvalCommand {
  /// Scores the results files.
  func scoreResults() throws -> Scored {
    try requireOptionsOfResults()
    guard let path = detections.annotations else { throw RequestError("--annotations is wanted.") }
    let asked = detections.iouType?.kinds
    let masks = asked.map { $0.contains(.segm) } ?? true
    let annotations = try COCOAnnotations.load(path: path, masks: masks)
    let results = try COCOResults.load(paths: detections.results, for: annotations, masks: masks)
    (annotations.warnings + results.warnings).forEach(onWarning)
    let comparable = results.comparable(with: annotations)
    let kinds =
      asked ?? Set((comparable.boxes ? [.bbox] : []) + (comparable.masks ? [.segm] : []))
    try reporting.requireGates(among: DetectionReport.figureNames(of: kinds))
    let report = DetectionReport(
      try detections.settings(for: kinds).map { settings in
        try COCOEvaluation(
          annotations, results, settings, shard: detections.scoredShard,
          threads: model.compute.threads ?? Processors.available)
      })
    return scored(report, annotations, images: datasetOptions.images ?? "") { _, _, _ in results }
  }

  /// Refuses options that would be ignored.
  private func requireOptionsOfResults() throws {
    if detections.worst.worst != nil, datasetOptions.images == nil {
      throw RequestError("--worst needs --images: the folder of the pictures.")
    }
    try refuse(
      [
        ("--weights", model.weights != nil), ("--config", model.config != nil),
        ("--data", data != nil), ("--dataset", dataset != nil),
        ("--predictions", predictions != nil), ("--limit", limit != nil),
        ("--split", datasetOptions.split != nil),
        ("--images", datasetOptions.images != nil && detections.worst.worst == nil),
      ] + optionsOfSegmentation, for: "a results file")
  }
}
