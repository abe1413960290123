import FlattenFiles
import FlattenRegions

/// The pictures, categories and objects of a file of COCO annotations ("instances"), held compactly.
///
/// What `iscrowd` is where it is absent (0), and `area` (that of the mask, else of the box), is assumed and told in
/// ``warnings``.
public struct COCOAnnotations: Sendable {
  /// A picture.
  public struct Picture: Sendable, Hashable {
    /// Its id, by which annotations and results name it.
    public let id: Int
    /// Its file's name; empty where the annotations do not say.
    public let fileName: String
    /// Its size as the annotations have it; `nil` where they do not say.
    public let size: PixelSize?

    /// Makes a picture.
    package init(id: Int, fileName: String, size: PixelSize?) {
      self.id = id
      self.fileName = fileName
      self.size = size
    }
  }

  /// A class of objects.
  public struct Category: Sendable, Hashable {
    /// Its id, by which annotations and results name it; ids may have gaps.
    public let id: Int
    /// Its name.
    public let name: String
    /// The class of classes that it belongs to.
    public let supercategory: String?

    /// Makes a category.
    public init(id: Int, name: String, supercategory: String? = nil) {
      self.id = id
      self.name = name
      self.supercategory = supercategory
    }
  }

  /// The most categories of a file.
  public static let mostCategories = 20_000
  /// The longest side of a picture.
  static let longestSide = 1 << 20

  /// The file.
  public let path: String
  /// The pictures in the order of the file.
  public internal(set) var pictures: [Picture] = []
  /// The categories in the order of the file.
  public internal(set) var categories: [Category] = []

  // The objects in the order of the file, a list a field.
  package internal(set) var ids: [Int] = []
  /// Places in ``pictures``.
  package internal(set) var pictureIndex: [Int32] = []
  /// Places in ``categories``.
  package internal(set) var categoryIndex: [Int32] = []
  /// NaN where the annotations have no boxes.
  package internal(set) var boxes: [COCOBox] = []
  package internal(set) var areas: [Double] = []
  package internal(set) var isCrowd: [Bool] = []
  /// Empty where they were not asked for.
  package internal(set) var segmentations = COCOSegmentations()

  /// Their places in the file's list, from which some may have been left out.
  var places: [Int32] = []

  package internal(set) var pictureTable = IDTable([])
  package internal(set) var categoryTable = IDTable([])

  /// What was assumed, and what is odd: one sentence each.
  public internal(set) var warnings: [String] = []

  /// How many objects there are.
  public var objectCount: Int { ids.count }

  /// Whether an annotation has the id 0, which pycocotools takes for none.
  public var hasZeroID: Bool { ids.contains(0) }

  /// Whether an object has a mask; false where they were not asked for.
  package var hasMasks: Bool {
    (0..<segmentations.count).contains { segmentations.form($0) != .none }
  }

  init(path: String) { self.path = path }

  /// Reads a file.
  ///
  /// - Parameter masks: whether segmentations are kept.
  /// - Throws: ``FileError`` where it is no JSON, ``COCOProblem`` where it cannot be scored.
  public static func load(path: String, masks: Bool) throws -> COCOAnnotations {
    try COCOAnnotationReader.read(path: path, masks: masks) { problem in
      if !problem.kind.isHarmless { throw problem }
    }
  }

  /// Reads the pictures and categories of a file; one of pictures to be detected on may have nothing else.
  ///
  /// - Throws: as ``load(path:masks:)``.
  package static func loadLists(path: String) throws -> COCOAnnotations {
    try COCOAnnotationReader.read(path: path, masks: false, objects: false) { problem in
      if !problem.kind.isHarmless { throw problem }
    }
  }

  /// A place in the list of annotations, for messages.
  package func place(_ index: Int) -> String { "annotations[\(places[index])] (id \(ids[index]))" }

  /// The mask of an object; `nil` where it has none.
  ///
  /// - Throws: ``COCOProblem``.
  package func mask(_ index: Int) throws -> RunLengthMask? {
    let picture = pictures[Int(pictureIndex[index])]
    func refuse(_ kind: COCOProblem.Kind, _ reason: String, _ remedy: String) -> COCOProblem {
      COCOProblem(kind, path: path, place: place(index), reason: reason, remedy: remedy)
    }
    guard segmentations.form(index) != .none else { return nil }
    guard let size = picture.size else {
      throw refuse(
        .missingField, "its picture \(picture.id) has no width and height, which masks need",
        "Write them into the list of pictures")
    }
    if let named = segmentations.size(index), named != size {
      throw refuse(
        .runs,
        "its run lengths are of \(named.width)x\(named.height), its picture "
          + "\(picture.id) is \(size.width)x\(size.height)",
        "Encode the mask at the picture's size; size is [height, width]")
    }
    do throws(RunLengthError) {
      return try segmentations.mask(index, in: size)
    } catch {
      throw refuse(.runs, "\(error)", "Encode the mask anew")
    }
  }
}
