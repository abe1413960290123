import FlattenData
import FlattenFiles
import FlattenMetrics
import FlattenVision

// Scoring a classifier: top-1 and top-5 on one folder of pictures a class.
extension ClassificationConfiguration: EvaluatedTask {
  static func requireOwnOptions(_ command: EvalCommand) throws {
    let (options, inference) = (command.datasetOptions, command.inference)
    let given = [
      ("--dataset", command.dataset != nil),
      ("--mode", inference.mode != nil),
      ("--scales", !inference.scales.isEmpty),
      ("--flip", !inference.flip.isEmpty),
      ("--classes", options.classes != nil),
      ("--ignore-index", options.ignoreIndex != nil),
      ("--reduce-zero-label", options.reduceZeroLabel != nil),
      ("--images", options.images != nil),
      ("--labels", options.labels != nil),
      ("--confusion", command.confusion != nil),
      ("--confusion-picture", command.confusionPicture != nil),
    ]
    if let (name, _) = given.first(where: { $0.1 }) {
      throw RequestError(
        "\(name) is for segmentation, and '\(printable(command.model.config ?? "", limit: 200))' is a "
          + "classifier's config. Leave it out.")
    }
  }

  static func score(
    _ classifier: Classifier, for command: EvalCommand
  ) throws -> ClassificationReport {
    let folders = try ClassFolders.open(
      classifier.configuration.list, root: try command.requireData(),
      split: command.datasetOptions.split)
    command.begin(classifier)
    return try Evaluation.run(
      classifier, on: folders, limit: command.limit, limits: command.decoding.limits,
      exif: command.decoding.exif, shouldStop: { Interrupt.isRequested },
      onWarning: command.onWarning, onProgress: EvalCommand.show)
  }
}
