import FlattenFiles
import FlattenImage
import FlattenRegions

/// The objects of a picture that are written, in each of the forms.
struct ShownObjects {
  let found: Detections
  let source: PictureSource
  /// The colours of the classes.
  let palette: Palette

  /// What the file of an object is called, without a suffix: `001_car`, numbered as in the document.
  func fileName(_ index: Int) -> String {
    numberedName(index + 1, String(found.objects[index].name.unicodeScalars.prefix(60)))
  }

  /// The bytes of a file that is not a drawing.
  ///
  /// - Parameter name: the file's name in errors.
  func bytes(of kind: DetectionOutputs.Kind, name: String) throws -> [UInt8] {
    let document = DetectionDocument(found, file: source.path)
    switch kind {
    case .json: return Array(document.json().utf8)
    case .rle: return Array(document.json(.runLengths).utf8)
    case .polygons: return Array(document.json(.polygons).utf8)
    case .yolo: return Array(document.yolo().utf8)
    case .csv: return Array((DetectionDocument.csvHeader + document.csvRows()).utf8)
    case .labelme:
      // Names the picture as it is called beside the file.
      return Array(DetectionDocument(found, file: source.lastComponent).labelMe().utf8)
    case .instances: return try found.instanceMap().encoded(as: .grey16, name: name)
    case .labels: return try found.classMap().encoded(as: labelFormat, name: name)
    case .overlay, .masks, .crops: return []
    }
  }

  /// A palette with black for what is no object, where the classes fit into one.
  private var labelFormat: LabelFormat {
    let black = RGBColor(red: 0, green: 0, blue: 0)
    let most = found.objects.map(\.label).max() ?? 0
    return most < 255 ? .palette8(Palette([black] + palette.colours)) : .grey16
  }
}
