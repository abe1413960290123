import FlattenTensor
import Testing

@Suite struct RowMapOperatorTests {
  /// Every row once, whatever the threads, and on an uneven number of rows.
  @Test(arguments: [1, 2, 3]) func rowsAreMapped(threads: Int) {
    let (rows, columns) = (197, 5)
    let x = Tensor([1, rows, columns], (0..<rows * columns).map { Float($0) })
    let pass = ForwardPass(threadCount: threads)
    var records: [OperatorRecord] = []
    pass.observer = { if case .operation(let record, _) = $0 { records.append(record) } }
    let y = pass.mapRows(x, channels: 2, layer: "ends") { row, out in
      out[0] = -row[0]
      out[1] = row[row.count - 1]
    }
    #expect(y.shape == [1, rows, 2])
    let expected: [Float] = (0..<rows).flatMap { row -> [Float] in
      let first = Float(row * columns)
      return [-first, first + 4]
    }
    #expect(y.elements == expected)
    #expect(records.map(\.name) == ["ends"] && records.map(\.shape) == [[1, rows, 2]])
  }

  @Test func aDryRunComputesNothing() {
    let pass = ForwardPass(threads: ThreadPool(threads: 1), isDryRun: true)
    let y = pass.mapRows(Tensor(zeros: [4, 3]), channels: 7, layer: "") { _, _ in
      Issue.record("a row in a dry run")
    }
    #expect(y.shape == [4, 7])
  }
}
