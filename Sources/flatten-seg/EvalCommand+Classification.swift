import FlattenData
import FlattenFiles
import FlattenSeg
import Foundation

// Scoring a classifier: top-1 and top-5 on one folder of pictures a class.
extension EvalCommand {
  func runClassification(config: String, weights: String) throws {
    let start = ContinuousClock.now
    try refuseSegmentationOptions(config)
    try requireGates(among: ["top1", "top5"])
    let classifier = try Classifier.load(
      config: config, weights: weights, threads: model.compute.threads,
      precision: model.compute.storage, skipsUnknownObjects: model.skipUnknownObjects)
    classifier.warnings.forEach(Output.warning)
    let folders = try ClassFolders.open(
      classifier.configuration.list, root: data, split: datasetOptions.split)
    if verbose { Output.error(classifier.summary) }
    Progress.shared.begin(quiet: quiet)
    let isQuiet = quiet
    let report = try Evaluation.run(
      classifier, on: folders, limit: limit, shouldStop: { Interrupt.isRequested },
      onWarning: { if !isQuiet { Output.warning($0) } },
      onProgress: { Progress.shared.show(done: $0.done, of: $0.total) })
    try finish(pictures: report.pictures)
    let text =
      switch format {
      case .table: report.text()
      case .json: report.json()
      case .csv: report.csv()
      case .markdown: report.markdown()
      }
    try write(text)
    showRate(pictures: report.pictures, since: start)
    try checkGates(["top1": report.top1, "top5": report.top5])
  }

  /// Refuses options that would be ignored.
  private func refuseSegmentationOptions(_ config: String) throws {
    let given = [
      ("--dataset", dataset != nil),
      ("--mode", inference.mode != nil),
      ("--scales", !inference.scales.isEmpty),
      ("--flip", inference.flip),
      ("--classes", datasetOptions.classes != nil),
      ("--ignore-index", datasetOptions.ignoreIndex != nil),
      ("--reduce-zero-label", datasetOptions.reduceZeroLabel != nil),
      ("--images", datasetOptions.images != nil),
      ("--labels", datasetOptions.labels != nil),
      ("--confusion", confusion != nil),
      ("--confusion-picture", confusionPicture != nil),
    ]
    if let (name, _) = given.first(where: { $0.1 }) {
      throw RequestError(
        "\(name) is for segmentation, and '\(printable(config, limit: 200))' is a classifier's "
          + "config. Leave it out.")
    }
  }
}
