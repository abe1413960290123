import FlattenFiles
import FlattenRegions

/// The masks of many objects in little memory: polygons as numbers, run lengths as they were written.
///
/// They become ``RunLengthMask``s when they are asked for.
package struct COCOSegmentations: Sendable {
  /// How a mask is written.
  package enum Form: UInt8, Sendable {
    case none
    /// Lists of `x0, y0, x1, y1, ...`.
    case polygons
    /// COCO's compressed run lengths.
    case text
    /// A list of run lengths.
    case runs
  }

  private struct Entry {
    var form: Form
    /// The size that run lengths name; 0 for polygons.
    var height: Int32 = 0
    var width: Int32 = 0
    /// Of polygons, the first of ``lengths``; else the first of ``characters`` or ``runs``.
    var start = 0
    var count = 0
    /// The first of ``coordinates`` or ``hundredths``.
    var firstCoordinate = 0
    /// Whether the coordinates are whole hundredths, as COCO's own are.
    var areHundredths = false
  }

  private var entries: [Entry] = []
  private var characters: [UInt8] = []
  private var runs: [UInt32] = []
  private var lengths: [Int32] = []
  private var coordinates: [Double] = []
  /// Coordinates times 100, in half the memory.
  private var hundredths: [Int32] = []

  package init() {}

  package var count: Int { entries.count }

  /// How a mask is kept; also ``Form/none`` beyond the last, as where masks were not read.
  package func form(_ index: Int) -> Form {
    entries.indices.contains(index) ? entries[index].form : .none
  }

  /// The size that run lengths name; `nil` for polygons and where there is no mask.
  package func size(_ index: Int) -> PixelSize? {
    let entry = entries[index]
    guard entry.form == .text || entry.form == .runs else { return nil }
    return PixelSize(height: Int(entry.height), width: Int(entry.width))
  }

  package mutating func appendNone() { entries.append(Entry(form: .none)) }

  package mutating func append(
    text: UnsafeBufferPointer<UInt8>, size: (height: Int32, width: Int32)
  ) {
    entries.append(
      Entry(
        form: .text, height: size.height, width: size.width, start: characters.count,
        count: text.count))
    characters.append(contentsOf: text)
  }

  package mutating func append(runs counts: [UInt32], size: (height: Int32, width: Int32)) {
    entries.append(
      Entry(
        form: .runs, height: size.height, width: size.width, start: runs.count,
        count: counts.count))
    runs.append(contentsOf: counts)
  }

  /// - Parameters:
  ///   - points: the coordinates of all polygons.
  ///   - counts: how many numbers each has.
  package mutating func append(polygons points: [Double], counts: [Int32]) {
    let short = points.compactMap(Self.hundredths)
    let areHundredths = short.count == points.count
    entries.append(
      Entry(
        form: .polygons, start: lengths.count, count: counts.count,
        firstCoordinate: areHundredths ? hundredths.count : coordinates.count,
        areHundredths: areHundredths))
    lengths.append(contentsOf: counts)
    if areHundredths {
      hundredths.append(contentsOf: short)
    } else {
      coordinates.append(contentsOf: points)
    }
  }

  /// A number times 100 where it is the Double nearest to so many hundredths.
  private static func hundredths(_ value: Double) -> Int32? {
    guard let number = Int32(exactly: (value * 100).rounded()), Double(number) / 100 == value else {
      return nil
    }
    return number
  }

  /// Takes the last back.
  package mutating func removeLast() {
    guard let entry = entries.popLast() else { return }
    if entry.form == .text { characters.removeLast(entry.count) }
  }

  /// Makes a mask none.
  package mutating func remove(_ index: Int) { entries[index] = Entry(form: .none) }

  /// Leaves out all but some.
  package mutating func keep(_ indices: [Int]) { entries = indices.map { entries[$0] } }

  /// The polygons of a mask; empty where it has none.
  package func polygons(_ index: Int) -> [[Double]] {
    let entry = entries[index]
    guard entry.form == .polygons else { return [] }
    var start = entry.firstCoordinate
    return lengths[entry.start..<entry.start + entry.count].map { length in
      defer { start += Int(length) }
      let range = start..<start + Int(length)
      return entry.areHundredths
        ? hundredths[range].map { Double($0) / 100 } : Array(coordinates[range])
    }
  }

  /// Appends a mask as JSON: polygons, or run lengths in the form they had; nothing where there is none.
  package func write(_ index: Int, to out: inout [UInt8]) {
    let entry = entries[index]
    let size = "{\"size\":[\(entry.height),\(entry.width)],\"counts\":"
    switch entry.form {
    case .none: return
    case .polygons:
      let texts = polygons(index).map { polygon in
        "[" + polygon.map { OrderedJSON.shortNumber($0) }.joined(separator: ",") + "]"
      }
      out.append(contentsOf: "[\(texts.joined(separator: ","))]".utf8)
    case .text:
      out.append(contentsOf: "\(size)\"".utf8)
      for byte in characters[entry.start..<entry.start + entry.count] {
        // Of the 64 characters of run lengths this alone needs an escape.
        if byte == UInt8(ascii: "\\") { out.append(byte) }
        out.append(byte)
      }
      out.append(contentsOf: "\"}".utf8)
    case .runs:
      let counts = runs[entry.start..<entry.start + entry.count].map { "\($0)" }
      out.append(contentsOf: "\(size)[\(counts.joined(separator: ","))]}".utf8)
    }
  }

  /// A mask of a picture; `nil` where there is none.
  ///
  /// - Throws: where run lengths are damaged or do not fill the size they name.
  package func mask(_ index: Int, in picture: PixelSize) throws(RunLengthError) -> RunLengthMask? {
    let entry = entries[index]
    let size = PixelSize(height: Int(entry.height), width: Int(entry.width))
    let end = entry.start + entry.count
    switch entry.form {
    case .none: return nil
    case .polygons:
      return try RunLengthMask(checking: polygons(index), size: picture)
    case .text:
      let result: Result<RunLengthMask, RunLengthError> = characters.withUnsafeBufferPointer {
        all in
        do throws(RunLengthError) {
          return .success(
            try RunLengthMask(cocoBytes: .init(rebasing: all[entry.start..<end]), size: size))
        } catch {
          return .failure(error)
        }
      }
      return try result.get()
    case .runs: return try RunLengthMask(size: size, checking: Array(runs[entry.start..<end]))
    }
  }
}
