import FlattenFiles

/// Something wrong in a file of COCO annotations or results: where, what, and what to do.
public struct COCOProblem: Error, CustomStringConvertible, Sendable, Equatable {
  /// The kinds of problems.
  public enum Kind: String, Sendable, CaseIterable {
    /// A list or object is missing, or something else stands in its place.
    case structure = "wrong structure"
    /// A list that holds nothing.
    case empty = "empty list"
    /// A field that must be there is not.
    case missingField = "missing field"
    /// A field holds something of another type.
    case type = "wrong type"
    /// A field twice in one object.
    case duplicateField = "field given twice"
    /// Two entries have one id.
    case duplicateID = "id given twice"
    /// An annotation's id is 0, which pycocotools takes for none.
    case zeroID = "annotation id 0"
    /// `iscrowd` is absent.
    case assumedCrowd = "iscrowd absent"
    /// `area` is absent.
    case assumedArea = "area absent"
    /// A value that its field cannot have.
    case value = "impossible value"
    /// A picture that the annotations do not list.
    case unknownPicture = "unknown picture"
    /// A category that the annotations do not list.
    case unknownCategory = "unknown category"
    /// A box whose width or height is not above 0.
    case emptyBox = "box without area"
    /// A box that leaves its picture.
    case boxOutside = "box outside the picture"
    /// A polygon with an odd count of numbers, or fewer than three points.
    case polygon = "bad polygon"
    /// Run lengths that are damaged, do not fill the picture, or are of another size.
    case runs = "bad run lengths"
    /// A picture that is not in the folder.
    case missingPicture = "missing picture"
    /// A picture whose beginning is none of a JPEG or PNG.
    case badPicture = "undecodable picture"
    /// A picture of another size than the annotations say.
    case pictureSize = "picture of another size"

    /// Whether a file with it can be scored all the same.
    public var isHarmless: Bool {
      switch self {
      case .zeroID, .assumedCrowd, .assumedArea, .emptyBox, .boxOutside: true
      default: false
      }
    }
  }

  /// The kind of problem.
  public let kind: Kind
  /// The file.
  public let path: String
  /// The place in the file, such as `annotations[17] (id 42)`; empty for the whole file.
  public let place: String
  /// What is wrong.
  public let reason: String
  /// What to do.
  public let remedy: String

  /// Makes a problem.
  package init(_ kind: Kind, path: String, place: String, reason: String, remedy: String) {
    self.kind = kind
    self.path = path
    self.place = place
    self.reason = reason
    self.remedy = remedy
  }

  /// `path: place: reason. Remedy.`, control characters escaped, at most 500 characters.
  public var description: String {
    let start = printable(path, limit: 160) + ": " + (place.isEmpty ? "" : "\(place): ")
    return printable(start + printable(reason, limit: 180) + ". " + remedy + ".", limit: 500)
  }
}
