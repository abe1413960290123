import FlattenKernels
import Testing

/// What a detector's operators are made of: RoIAlign's bins, and the search for candidates.
@Suite struct KernelDetectionTests {
  // MARK: RoIAlign

  private let rows: [Int32] = [0, 2, 3]
  private let rowWeights: [Float] = [0.5, -0.25, 0.75]
  /// Four bins, the second without columns.
  private let ends: [Int32] = [2, 2, 3, 6]
  private let columns: [Int32] = [0, 4, 1, 3, 4, 0]
  private let columnWeights: [Float] = [0.25, 0.5, 1, 0, 0.125, -1]

  private func bins(_ table: fk_table, of x: Rows, channels: Int) -> Rows {
    let out = Rows.output(4, channels)
    table.roi_align(
      x.pointer, x.stride, channels, 3, rows, rowWeights, 4, ends, columns, columnWeights,
      out.pointer)
    return out
  }

  @Test(arguments: KernelSet.present) func roiAlignAgrees(set: KernelSet) {
    for channels in Extents.columns {
      for gap in [0, 3] {
        let x = Rows(4, 5 * channels, stride: 5 * channels + gap, seed: channels, scale: 3)
        let wanted = bins(KernelSet.reference, of: x, channels: channels)
        // Six weights at most of magnitude 0.75, and numbers up to 3.
        #expect(
          bins(set.table, of: x, channels: channels).mismatch(wanted, within: 4 * 14 * ulp) == nil)
        #expect(x.isIntact)
      }
    }
  }

  @Test(arguments: KernelSet.all) func roiAlignIsItsDefinition(set: KernelSet) {
    let channels = 83
    let x = Rows(4, 5 * channels, seed: 1)
    let wanted = Rows(4, channels) { bin, channel in
      var sum = 0.0
      for (row, a) in zip(rows, rowWeights) {
        for j in (bin == 0 ? 0 : Int(ends[bin - 1]))..<Int(ends[bin]) {
          sum +=
            Double(a) * Double(columnWeights[j])
            * Double(x[Int(row), Int(columns[j]) * channels + channel])
        }
      }
      return Float(sum)
    }
    #expect(bins(set.table, of: x, channels: channels).mismatch(wanted, within: 1e-6) == nil)
  }

  /// NaN and infinity are in the bins that read them, also with weight 0, and in no other.
  @Test(arguments: KernelSet.all) func roiAlignShowsWhatIsNoNumber(set: KernelSet) {
    let channels = 37
    let x = Rows(4, 5 * channels, seed: 1)
    x[2, 3 * channels + 20] = .nan  // column 3 belongs to the last bin alone
    x[1, 20] = .nan  // row 1 belongs to none
    let out = bins(set.table, of: x, channels: channels)
    for bin in 0..<4 {
      for channel in 0..<channels {
        #expect(out[bin, channel].isNaN == (bin == 3 && channel == 20))
      }
    }
  }

  // MARK: Candidates

  @Test(arguments: KernelSet.all) func candidatesAreFound(set: KernelSet) {
    for count in Extents.columns + [0, 63, 65, 128, 1000] {
      for bound: Float in [-2, 0.25, 0.9, 0, .infinity, -.infinity, .nan] {
        let x = Rows(1, max(count, 1), seed: count)
        for (position, value): (Int, Float) in [
          (0, .nan), (3, bound), (7, -0.0), (20, .infinity), (40, -.infinity), (64, .nan),
        ] where position < count { x[0, position] = value }
        let wanted = (0..<count).filter { x[0, $0] >= bound }.map(UInt32.init)
        var index = [UInt32](repeating: 77, count: count + 1)
        let found = set.table.find_above(x.pointer, count, bound, &index)
        #expect(Array(index.prefix(found)) == wanted && index[count] == 77)
        #expect(x.isIntact)
      }
    }
  }
}
