import FlattenFiles
import FlattenRegions

extension COCOAnnotations {
  /// What writing changed.
  public struct Mending: Sendable, Hashable {
    /// Annotations that were written.
    public var written = 0
    /// Annotations that were left out as nothing can find them: neither a box nor a mask has an area that a number
    /// can hold.
    public var leftOut = 0
    /// Boxes that were cut to their pictures.
    public var clipped = 0
    /// Whether annotations have new ids, from 1, as one had the id 0 or two had the same.
    public var isRenumbered = false
  }

  /// Writes a file that can be scored: every field is there, ids differ and begin at 1 where they had to be changed,
  /// boxes lie in their pictures.
  ///
  /// Fields that are not used for boxes and masks (`info`, `licenses`, keypoints) are not kept.
  ///
  /// - Throws: ``FileError`` where it cannot be written.
  public func write(to path: String) throws -> Mending {
    let file = try AtomicFile(path: path)
    var out: [UInt8] = []
    func flush(_ limit: Int = 0) throws {
      guard out.count > limit else { return }
      try file.write(out)
      out.removeAll(keepingCapacity: true)
    }
    out.append(contentsOf: "{\"images\":[".utf8)
    var isFirst = true
    func separate() {
      out.append(contentsOf: (isFirst ? "\n" : ",\n").utf8)
      isFirst = false
    }
    for (index, picture) in pictures.enumerated() where pictureTable[picture.id] == index {
      separate()
      out.append(contentsOf: picture.json.line.utf8)
      try flush(1 << 20)
    }
    out.append(contentsOf: "],\n\"annotations\":[".utf8)
    isFirst = true
    var mending = Mending()
    mending.isRenumbered = ids.contains(0) || Set(ids).count < ids.count
    for index in ids.indices {
      guard let (box, isClipped) = usableBox(index) else {
        mending.leftOut += 1
        continue
      }
      mending.written += 1
      if isClipped { mending.clipped += 1 }
      separate()
      write(index, id: mending.isRenumbered ? mending.written : ids[index], box, to: &out)
      try flush(1 << 20)
    }
    out.append(contentsOf: "],\n\"categories\":[".utf8)
    isFirst = true
    for (index, category) in categories.enumerated() where categoryTable[category.id] == index {
      separate()
      out.append(contentsOf: category.json.line.utf8)
    }
    out.append(contentsOf: "]}\n".utf8)
    try flush()
    try file.commit()
    return mending
  }

  private func write(_ index: Int, id: Int, _ box: COCOBox, to out: inout [UInt8]) {
    let sides = [box.x, box.y, box.width, box.height].map(OrderedJSON.shortNumber)
    // What is the area of a box that was cut is that of the box that is written.
    let isOfMask = areas[index] >= 0 && areas[index] != boxes[index].area
    let area = isOfMask ? areas[index] : box.area
    let picture = pictures[Int(pictureIndex[index])].id
    let category = categories[Int(categoryIndex[index])].id
    out.append(
      contentsOf:
        """
        {"id":\(id),"image_id":\(picture),"category_id":\(category),"bbox":[\(sides.joined(separator: ","))],\
        "area":\(OrderedJSON.shortNumber(area)),"iscrowd":\(isCrowd[index] ? 1 : 0)
        """.utf8)
    if segmentations.form(index) != .none {
      out.append(contentsOf: ",\"segmentation\":".utf8)
      segmentations.write(index, to: &out)
    }
    out.append(UInt8(ascii: "}"))
  }

  /// The box of an object inside its picture, where it has none with an area the one around its mask; `nil` where no
  /// area is left of it.
  private func usableBox(_ index: Int) -> (COCOBox, isClipped: Bool)? {
    var box = boxes[index]
    if box.isMissing || box.width <= 0 || box.height <= 0 {
      guard let mask = try? mask(index) else { return nil }
      let bounds = mask.bounds
      box = COCOBox(
        x: Double(bounds.x), y: Double(bounds.y), width: Double(bounds.width),
        height: Double(bounds.height))
    }
    guard box.width > 0, box.height > 0 else { return nil }
    guard let size = pictures[Int(pictureIndex[index])].size else {
      return box.area.isFinite ? (box, false) : nil
    }
    // What leaves the picture by less than half a pixel is rounding.
    if box.x >= -0.5, box.y >= -0.5, box.x + box.width <= Double(size.width) + 0.5,
      box.y + box.height <= Double(size.height) + 0.5
    {
      return (box, false)
    }
    let (left, top) = (max(0, box.x), max(0, box.y))
    let right = min(Double(size.width), box.x + box.width)
    let bottom = min(Double(size.height), box.y + box.height)
    guard right > left, bottom > top else { return nil }
    return (COCOBox(x: left, y: top, width: right - left, height: bottom - top), true)
  }
}

extension COCOAnnotations.Picture {
  fileprivate var json: OrderedJSON {
    var fields: [(String, OrderedJSON)] = [("id", .integer(id)), ("file_name", .string(fileName))]
    if let size {
      fields += [("width", .integer(size.width)), ("height", .integer(size.height))]
    }
    return .object(fields)
  }
}

extension COCOAnnotations.Category {
  fileprivate var json: OrderedJSON {
    .object(
      [("id", .integer(id)), ("name", .string(name))]
        + (supercategory.map { [("supercategory", .string($0))] } ?? []))
  }
}
