import ArgumentParser
import FlattenData

/// What the user knows better than a data set's description.
struct DatasetArguments: ParsableArguments {
  @Option(help: "Split to read; default: the description's.")
  var split: String?

  @Option(help: "Label id that is not scored, over the description's.")
  var ignoreIndex: Int?

  @Flag(inversion: .prefixedNo, help: "Label 0 is not scored and the others move down by one.")
  var reduceZeroLabel: Bool?

  @Option(help: "Folder of the pictures below the data set's folder.", completion: .directory)
  var images: String?

  @Option(help: "Folder of the labels below the data set's folder.", completion: .directory)
  var labels: String?

  @Option(help: "Number of classes, for data sets whose description names none.")
  var classes: Int?

  func validate() throws {
    if let classes, !(1...DatasetDescription.classLimit).contains(classes) {
      throw ValidationError(
        "--classes is \(classes), 1 to \(DatasetDescription.classLimit) are wanted.")
    }
    if let ignoreIndex, !(0...65535).contains(ignoreIndex) {
      throw ValidationError("--ignore-index is \(ignoreIndex), 0 to 65535 are wanted.")
    }
  }

  /// - Parameter decoding: how the files are read.
  func options(_ decoding: DecodingArguments) -> DatasetOptions {
    var options = DatasetOptions()
    options.limits = decoding.limits
    options.exif = decoding.exif
    options.ignoreIndex = ignoreIndex
    options.reducesZeroLabel = reduceZeroLabel
    options.imageFolder = images
    options.labelFolder = labels
    options.classes = classes.map(DatasetOptions.classNames(count:))
    return options
  }
}
