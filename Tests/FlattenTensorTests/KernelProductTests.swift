import COpenBLAS
import FlattenKernels
import Testing

@testable import FlattenTensor

/// Products and Winograd's transforms of every instruction set this CPU has, against the reference.
@Suite struct KernelProductTests {
  static let sets: [String] = KernelSet.present.map(\.name)

  private func noise(_ count: Int, seed: Int) -> [Float] {
    Tensor.noise([max(count, 1)], seed: seed).elements
  }

  /// The product of one table, between guard values, with strides larger than the rows.
  private func product(
    _ isa: String, rows: Int, depth: Int, columns: Int, transposed: Bool,
    activation: fk_activation = FK_NONE, hasBias: Bool = false, hasResidual: Bool = false
  ) throws -> [Float] {
    let table = try #require(fk_table_for(isa)).pointee
    let panel = Int(table.gemm_panel)
    let a = noise((rows + 3) * (depth + 3), seed: 1)
    let b = noise(depth * columns, seed: 2)
    let bias = noise(columns, seed: 3)
    let residual = noise(rows * (columns + 2), seed: 4)
    // The guard behind the packed panels shows that no more is written.
    var packed = [Float](
      repeating: 77, count: depth * ((columns + panel - 1) / panel * panel) + 1)
    table.gemm_pack(b, columns, 1, depth, columns, &packed)
    #expect(packed.last == 77)
    packed[packed.count - 1] = .nan

    let stride = columns + 5
    var c = [Float](repeating: -55, count: (rows + 1) * stride)
    bias.withUnsafeBufferPointer { bias in
      residual.withUnsafeBufferPointer { residual in
        var epilogue = fk_epilogue(
          bias: hasBias ? bias.baseAddress : nil, activation: activation,
          residual: hasResidual ? residual.baseAddress : nil, ldr: columns + 2)
        table.gemm(
          a, transposed ? 1 : depth + 3, transposed ? rows + 3 : 1, rows, depth, packed, &c,
          stride, columns, &epilogue)
      }
    }
    var result: [Float] = []
    for row in 0...rows {
      for column in 0..<stride {
        let value = c[row * stride + column]
        if row < rows && column < columns {
          result.append(value)
        } else {
          #expect(value == -55, "written at row \(row), column \(column)")
        }
      }
    }
    return result
  }

  /// OpenBLAS shares nothing with our kernels, the reference included.
  @Test(arguments: ["ref"] + sets, [1, 29]) func productsAreThoseOfOpenBLAS(
    isa: String, rows: Int
  ) throws {
    let (depth, columns) = (300, 97)
    var wanted = [Float](repeating: 0, count: rows * columns)
    cblas_sgemm(
      CblasRowMajor, CblasNoTrans, CblasNoTrans, Int32(rows), Int32(columns), Int32(depth), 1,
      noise((rows + 3) * (depth + 3), seed: 1), Int32(depth + 3), noise(depth * columns, seed: 2),
      Int32(columns), 0, &wanted, Int32(columns))
    let got = try product(isa, rows: rows, depth: depth, columns: columns, transposed: false)
    let worst = zip(got, wanted).map { abs($0 - $1) }.max() ?? .infinity
    #expect(worst <= 2e-6 * Float(depth).squareRoot() * 4, "\(worst)")
  }

  @Test(arguments: sets, [1, 5, 6, 7, 13, 14, 15, 29, 43])
  func productsAgree(isa: String, rows: Int) throws {
    for columns in [1, 3, 8, 15, 16, 17, 31, 32, 33, 64, 97] {
      for depth in [1, 2, 17, 64] {
        for transposed in [false, true] {
          let wanted = try product(
            "ref", rows: rows, depth: depth, columns: columns, transposed: transposed)
          let got = try product(
            isa, rows: rows, depth: depth, columns: columns, transposed: transposed)
          let worst = zip(got, wanted).map { abs($0 - $1) }.max() ?? .infinity
          #expect(
            worst <= 2e-6 * Float(depth).squareRoot() * 4,
            "\(rows)x\(depth)x\(columns), transposed \(transposed): \(worst)")
        }
      }
    }
  }

  @Test(arguments: sets) func epiloguesAgree(isa: String) throws {
    for activation in [FK_NONE, FK_RELU, FK_GELU] {
      for (hasBias, hasResidual) in [(true, false), (false, true), (true, true)] {
        func run(_ isa: String) throws -> [Float] {
          try product(
            isa, rows: 17, depth: 9, columns: 37, transposed: false, activation: activation,
            hasBias: hasBias, hasResidual: hasResidual)
        }
        let pairs = zip(try run(isa), try run("ref"))
        #expect(pairs.allSatisfy { abs($0 - $1) <= 1e-5 })
      }
    }
  }

  /// The bits of an element do not depend on which rows and columns are computed with it.
  @Test(arguments: sets) func anElementIsTheSameInAnyBlock(isa: String) throws {
    let table = try #require(fk_table_for(isa)).pointee
    let panel = Int(table.gemm_panel)
    let (rows, depth, columns) = (31, 70, 2 * panel + 3)
    let a = noise(rows * depth, seed: 1)
    let b = noise(depth * columns, seed: 2)
    var packed = [Float](repeating: 0, count: depth * 3 * panel)
    table.gemm_pack(b, columns, 1, depth, columns, &packed)
    var whole = [Float](repeating: 0, count: rows * columns)
    table.gemm(a, depth, 1, rows, depth, packed, &whole, columns, columns, nil)
    for row in [0, 3, 13, 14, 30] {
      var one = [Float](repeating: 0, count: columns)
      a.withUnsafeBufferPointer { a in
        if let start = a.baseAddress {
          table.gemm(start + row * depth, depth, 1, 1, depth, packed, &one, columns, columns, nil)
        }
      }
      let same = (0..<columns).allSatisfy {
        one[$0].bitPattern == whole[row * columns + $0].bitPattern
      }
      #expect(same, "row \(row)")
    }
  }

  @Test(arguments: sets) func notANumberStaysVisible(isa: String) throws {
    let table = try #require(fk_table_for(isa)).pointee
    let panel = Int(table.gemm_panel)
    var packed = [Float](repeating: 0, count: 2 * panel)
    table.gemm_pack([1, 1], 1, 1, 2, 1, &packed)
    var c: [Float] = [0, 0]
    table.gemm([1, .nan, 2, 3], 2, 1, 2, 2, packed, &c, 1, 1, nil)
    #expect(c[0].isNaN && c[1] == 5)
  }

  @Test(arguments: sets, [3, 5]) func transformsAgree(isa: String, window: Int) throws {
    let table = try #require(fk_table_for(isa)).pointee
    let reference = try #require(fk_table_for("ref")).pointee
    let form = Int32(window)
    let positions = (window + 3) * (window + 3)
    let (height, width) = (5, 7)
    for channels in [1, 7, 16, 33] {
      let x = noise(height * width * channels, seed: 1)
      let stride = channels + 2
      // Patches inside, over each border, and wholly outside.
      for (top, left) in [(0, 0), (-1, -1), (-2, -2), (3, 2), (-1, 3), (4, 6), (-6, 0)] {
        func patch(_ table: fk_table) -> [Float] {
          var v = [Float](repeating: -55, count: positions * stride)
          table.winograd_input(form, x, height, width, channels, top, left, &v, stride)
          return v
        }
        let (got, wanted) = (patch(table), patch(reference))
        #expect(zip(got, wanted).allSatisfy { abs($0 - $1) <= 5e-5 })
        #expect((0..<positions).allSatisfy { got[$0 * stride + channels] == -55 })
      }
      let m = noise(positions * stride, seed: 2)
      let bias = noise(channels, seed: 3)
      for (rows, columns) in [(4, 4), (1, 4), (3, 2), (1, 1)] {
        func pixels(_ table: fk_table) -> [Float] {
          var y = [Float](repeating: -55, count: 5 * 5 * (channels + 1))
          table.winograd_output(
            form, m, stride, channels, bias, FK_RELU, &y, 5 * (channels + 1), channels + 1, rows,
            columns)
          return y
        }
        let (got, wanted) = (pixels(table), pixels(reference))
        #expect(zip(got, wanted).allSatisfy { abs($0 - $1) <= 1e-4 })
        #expect((0..<25).allSatisfy { got[$0 * (channels + 1) + channels] == -55 })
        for pixel in 0..<25 where pixel / 5 >= rows || pixel % 5 >= columns {
          #expect(got[pixel * (channels + 1)] == -55)
        }
      }
    }
  }

  /// The matrices of the reference make a convolution: its definition, in double precision.
  @Test(arguments: [3, 5]) func transformsAreAConvolution(window: Int) throws {
    let table = try #require(fk_table_for("ref")).pointee
    let (form, side) = (Int32(window), window + 3)
    let positions = side * side
    let g = noise(window * window, seed: 1)
    let x = noise(side * side, seed: 2)
    var u = [Float](repeating: 0, count: positions)
    table.winograd_weights(form, g, nil, 1, &u, 1)
    var v = u
    table.winograd_input(form, x, side, side, 1, 0, 0, &v, 1)
    let m = zip(u, v).map { $0 * $1 }
    var y = [Float](repeating: 0, count: 16)
    table.winograd_output(form, m, 1, 1, nil, FK_NONE, &y, 4, 1, 4, 4)
    for row in 0..<4 {
      for column in 0..<4 {
        var sum = 0.0
        for i in 0..<window {
          for j in 0..<window {
            sum += Double(g[i * window + j]) * Double(x[(row + i) * side + column + j])
          }
        }
        #expect(abs(Double(y[row * 4 + column]) - sum) <= 2e-5)
      }
    }
  }
}
