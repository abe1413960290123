/// What a detector found in a picture, best score first.
public struct Detections: Sendable {
  /// Size of the picture, as it is shown.
  public let size: PixelSize
  /// The objects, best score first.
  public var objects: [DetectedObject]

  /// Makes a result.
  public init(size: PixelSize, objects: [DetectedObject]) {
    self.size = size
    self.objects = objects
  }
}

/// A thing that a detector found.
public struct DetectedObject: Sendable, Hashable {
  /// Its class among the model's, from 0.
  public let label: Int
  /// What annotation files call the class: COCO's ids have gaps and begin with 1.
  public let categoryID: Int
  /// Name of the class.
  public let name: String
  /// How sure the detector is, 0 to 1.
  public let score: Float
  /// Where it is, in pixels of the picture as it is shown.
  public let box: Box
  /// Its pixels; `nil` where the detector finds boxes alone.
  public let mask: RunLengthMask?

  /// Makes an object.
  public init(
    label: Int, categoryID: Int, name: String, score: Float, box: Box, mask: RunLengthMask?
  ) {
    self.label = label
    self.categoryID = categoryID
    self.name = name
    self.score = score
    self.box = box
    self.mask = mask
  }
}
