import FlattenFiles
import Foundation
import TestSupport
import Testing

@testable import FlattenVision

@Suite struct NumpyScoreFileTests {
  @Test func bandsInAnyOrderGiveClassPlanes() throws {
    // Two classes, three rows of two pixels; value = class * 100 + row * 10 + column.
    let folder = try TemporaryFolder()
    let path = folder.path("scores.npy")
    let file = try NumpyScoreFile(path: path, classes: 2, height: 3, width: 2)
    func band(_ rows: Range<Int>) -> [Float] {
      rows.flatMap { row in
        (0..<2).flatMap { column in (0..<2).map { Float($0 * 100 + row * 10 + column) } }
      }
    }
    for rows in [2..<3, 0..<2] {
      let values = band(rows)
      file.write(firstRow: rows.lowerBound, rows: rows.count, values.span)
    }
    #expect(!FileManager.default.fileExists(atPath: path))
    try file.commit()
    let data = try Data(contentsOf: URL(filePath: path)).dropFirst(
      NumpyFile.header(shape: [2, 3, 2]).count)
    let values = stride(from: data.startIndex, to: data.endIndex, by: 4).map { start in
      Float(bitPattern: data[start..<start + 4].reversed().reduce(0) { $0 << 8 | UInt32($1) })
    }
    #expect(values == [0, 1, 10, 11, 20, 21, 100, 101, 110, 111, 120, 121])
  }
}
