import FlattenImage

/// A description of a data set: its classes, the layout of its files, and the rule of its labels or the file
/// of its objects.
///
/// A description is a YAML file, so a new data set needs no code:
///
///     name: fields
///     title: Fields from above (2 classes)
///     source: https://example.org/fields
///     images:
///       folder: images/{split}                   # below the data set's root
///       suffix: [.jpg, .png]                     # optional; ends of picture names
///     labels:
///       folder: labels/{split}
///       suffix: _ids.png                         # optional; takes the picture's suffix's place
///       ignore_index: 255
///       reduce_zero_label: false                 # optional
///       label_map: [[7, 0], [8, 1]]              # optional; [stored id, class id]
///       encoding: ids                            # optional; ids, palette or ade20k-full-rgb
///       ignore_color: [0, 0, 0]                  # optional; with palette: a colour that is not scored
///       made_from: {suffix: _raw.png, by: tool}  # optional; for errors about labels that are not there
///     list: lists/{split}.txt                    # optional; else the folder is the list
///     default_split: validation                  # where there are splits
///     splits:
///       training: {aliases: [train]}
///       validation: {aliases: [val], folder: val2017}   # what {split} becomes; else the name
///     classes:
///       - {name: wheat, color: [230, 200, 40]}
///       - soil                                   # colours are chosen where they are left out
///
/// A data set of objects has a COCO annotation file in the place of `labels`, and its classes may have ids:
///
///     annotations: annotations/instances_{split}.json   # below the data set's root
///     classes:
///       - {name: person, id: 1}                  # the category's id there; 1, 2, ... where all are left out
public struct DatasetDescription: Sendable, Hashable {
  /// The place of pictures or labels: a folder below the root, and the suffixes of names.
  public struct Location: Sendable, Hashable {
    /// The folder, in which `{split}` stands for the split's folder name.
    public var folder: String
    /// Suffixes of names. The longest that fits is taken off, which gives the stem.
    public var suffixes: [String]
  }

  /// Files that come with a data set and of which a tool makes the labels.
  public struct LabelOrigin: Sendable, Hashable {
    /// What takes the place of the labels' suffix.
    public let suffix: String
    /// The tool.
    public let tool: String
  }

  /// A named part of the data set.
  public struct Split: Sendable, Hashable {
    /// The data set's own name for it.
    public let name: String
    /// Other accepted names.
    public let aliases: [String]
    /// The text for `{split}` in folders and in the list's path.
    public let folder: String
  }

  /// Short name, as given on the command line.
  public var name: String
  /// One line for people.
  public var title: String
  /// The data set's origin, such as a URL.
  public var source: String
  /// Class names in id order; empty where the user has to give them.
  public var classes: [String]
  /// The category ids of the classes in annotation files, in the order of ``classes``; 1, 2, ... unless the
  /// description says otherwise. COCO's 80 classes have ids from 1 to 90.
  public var categoryIDs: [Int]
  /// A colour a class.
  public var palette: Palette
  /// The place of the pictures.
  public var images: Location
  /// The place of the label pictures; their one suffix replaces the picture's. `nil` where objects are in
  /// ``annotations``.
  public var labels: Location?
  /// A COCO annotation file of objects below the root, in which `{split}` stands for the split's folder name;
  /// `nil` where there are label pictures.
  public var annotations: String?
  /// What the labels are made of, where the data set is published without them.
  public var labelOrigin: LabelOrigin?
  /// The encoding of label pictures.
  public var encoding: LabelImage.Encoding
  /// The rule from stored numbers to class ids.
  public var labelRule: LabelRule
  /// A text file of the stems of a split, one a line; `nil` where the folder is the list.
  public var list: String?
  /// The splits; empty where the data set has none.
  public var splits: [Split]
  /// The split used where none is named.
  public var defaultSplit: String?

  /// The split of a name or alias, or the default one for `nil`; `nil` where there are no splits.
  ///
  /// - Throws: ``DatasetError`` for a split that the data set does not have.
  public func split(named wanted: String?) throws -> Split? {
    guard !splits.isEmpty else {
      if let wanted {
        throw DatasetError(.hasNoSplits(dataset: name, wanted: wanted))
      }
      return nil
    }
    guard let wanted = wanted ?? defaultSplit else {
      throw DatasetError(.needsSplit(dataset: name, splits: splits.map(\.name)))
    }
    guard let split = splits.first(where: { $0.name == wanted || $0.aliases.contains(wanted) })
    else {
      throw DatasetError("'\(wanted)' is no split of '\(name)'. Choose one of \(splitNames).")
    }
    return split
  }

  private var splitNames: String { splits.map(\.name).joined(separator: ", ") }
}

/// Changes of a user to a description, above all to the generic data set `folder`, and how its files are
/// read.
public struct DatasetOptions: Sendable, Hashable {
  /// Class names in id order, in place of the description's.
  public var classes: [String]?
  /// The id of pixels that are not scored.
  public var ignoreIndex: Int?
  /// Whether 0 means "not scored" and k stands for class k - 1.
  public var reducesZeroLabel: Bool?
  /// The folder of pictures below the root.
  public var imageFolder: String?
  /// The folder of labels below the root.
  public var labelFolder: String?
  /// A folder of predictions: where it lies below the pictures, nothing in it is one.
  public var predictionFolder: String?
  /// Larger pictures are refused.
  public var limits = DecodingLimits()
  /// What is done with EXIF orientations.
  public var exif = ExifOrientation.apply

  /// No changes.
  public init() {}

  /// Names for classes that have none: `class_0`, `class_1`, ...
  public static func classNames(count: Int) -> [String] {
    (0..<max(count, 0)).map { "class_\($0)" }
  }
}

extension DatasetDescription {
  /// The description with a user's changes.
  ///
  /// - Throws: ``DatasetError`` for values out of range.
  public func applying(_ options: DatasetOptions) throws -> DatasetDescription {
    var changed = self
    if let names = options.classes {
      guard (1...Self.classLimit).contains(names.count) else {
        throw DatasetError("\(names.count) classes; give 1 to \(Self.classLimit).")
      }
      if case .colours = encoding {
        throw DatasetError(
          "the labels of '\(name)' are colours of its classes; leave the classes as they are.")
      }
      changed.classes = names
      if names.count != classes.count {
        changed.palette = .distinct(count: names.count)
        changed.categoryIDs = Array(1...names.count)
      }
    }
    if let index = options.ignoreIndex {
      guard let id = UInt16(exactly: index) else {
        throw DatasetError("the ignore index \(index) is no id; give 0 to 65535.")
      }
      changed.labelRule.ignoreIndex = id
      if case .colours(let ids) = encoding {
        changed.encoding = .colours(ids.mapValues { $0 == labelRule.ignoreIndex ? id : $0 })
      }
    }
    changed.labelRule.reducesZeroLabel = options.reducesZeroLabel ?? labelRule.reducesZeroLabel
    changed.images.folder = options.imageFolder ?? images.folder
    if let folder = options.labelFolder { changed.labels?.folder = folder }
    return changed
  }
}
