import FlattenImage
import FlattenRegions
import FlattenTensor

extension PictureBatch where Report == Classification {
  /// Classifies pictures; nothing is written.
  public init(_ classifier: Classifier) { self.init(ClassificationWork(classifier: classifier)) }
}

/// Classifying the pictures of a batch.
private struct ClassificationWork: PictureWork {
  let classifier: Classifier

  var memory: BufferPool { classifier.loaded.memory }

  func memoryNeed(of size: PixelSize) throws -> PictureNeed {
    try classifier.memoryNeed(for: size)
  }

  func make(of picture: Image, _ files: ResultFiles?) throws -> Classification {
    try classifier.classify(picture)
  }

  func finish(
    _ classification: Classification, of picture: Image, _ source: PictureSource,
    _ files: ResultFiles?, _ said: SaidOnce
  ) throws -> FinishedPicture<Classification> {
    FinishedPicture(report: classification)
  }
}
