import FlattenKernels
import Testing

/// Rounding to bfloat16 and the products of such numbers, against definitions written out here.
@Suite struct KernelBFloat16Tests {
  private static let guardValue: UInt16 = 0x1234

  /// Nearest, ties to even, by comparing both neighbours.
  private static func rounded(_ x: Float) -> UInt16 {
    let low = UInt16(truncatingIfNeeded: x.bitPattern >> 16)
    let down = Double(value(low))
    let up = Double(value(low &+ 1))
    let (below, above) = (abs(Double(x) - down), abs(up - Double(x)))
    if below == above { return low % 2 == 0 ? low : low + 1 }
    return below < above ? low : low + 1
  }

  private static func value(_ x: UInt16) -> Float { Float(bitPattern: UInt32(x) << 16) }

  @Test(arguments: KernelSet.all) func roundsToNearestEven(set: KernelSet) {
    var x = Noise.floats(4000, seed: 1, scale: 3)
    for exponent in stride(from: -100, through: 100, by: 10) {
      for bits: UInt32 in [0, 0x7FFF, 0x8000, 0x8001, 0x1_7FFF, 0x1_8000, 0x1_8001, 0xFFFF] {
        let one = Float(sign: .plus, exponent: exponent, significand: 1)
        x += [Float(bitPattern: one.bitPattern + bits), -Float(bitPattern: one.bitPattern + bits)]
      }
    }
    x += [0, -0.0, 1, -1]
    for columns in [1, 2, 15, 16, 17, 33] {
      let (rows, ldx, ldy) = (x.count / (columns + 2), columns + 2, columns + 3)
      var y = [UInt16](repeating: Self.guardValue, count: rows * ldy)
      set.table.bf16_narrow(x, ldx, rows, columns, &y, ldy)
      for row in 0..<rows {
        for column in 0..<ldy {
          let got = y[row * ldy + column]
          if column < columns {
            #expect(got == Self.rounded(x[row * ldx + column]))
          } else {
            #expect(got == (column == columns && columns % 2 == 1 ? 0 : Self.guardValue))
          }
        }
      }
    }
  }

  @Test(arguments: KernelSet.all) func whatIsNotANumberStaysVisible(set: KernelSet) {
    let bad: [Float] = [
      .nan, -.nan, Float(bitPattern: 0x7F80_0001), Float(bitPattern: 0xFFFF_FFFF), .infinity,
      -.infinity,
    ]
    for columns in [6, 16 + 6] {
      let x = [Float](repeating: 1, count: columns - 6) + bad
      var y = [UInt16](repeating: 0, count: columns)
      set.table.bf16_narrow(x, columns, 1, columns, &y, columns)
      let got = y.suffix(6).map(Self.value)
      #expect(got.prefix(4).allSatisfy { $0.isNaN })
      #expect(Array(got.suffix(2)) == [.infinity, -.infinity])
    }
    // Larger than the largest bfloat16 by more than half a step.
    var y: [UInt16] = [7, 7]
    set.table.bf16_narrow([.greatestFiniteMagnitude], 1, 1, 1, &y, 2)
    #expect(Self.value(y[0]) == .infinity && y[1] == 0)
  }

  /// Every kind of tail, both outputs, with guards behind rows and panels.
  @Test(arguments: KernelSet.all, [1, 5, 6, 13, 14, 15, 29])
  func productsAreTheirDefinition(set: KernelSet, rows: Int) {
    let table = set.table
    let panel = Int(table.gemm_panel)
    for columns in [1, 2, 15, 16, 17, 31, 32, 33, 97] {
      for depth in [1, 2, 7, 64, 129] {
        let x = Noise.floats(rows * depth, seed: rows + depth)
        let b = Noise.floats(depth * columns, seed: columns)
        let bias = Noise.floats(columns, seed: 3)
        let residual = Noise.floats(rows * (columns + 2), seed: 4)
        let even = depth + depth % 2
        var a = [UInt16](repeating: 0, count: rows * (even + 2))
        table.bf16_narrow(x, depth, rows, depth, &a, even + 2)
        var packed = [UInt16](
          repeating: Self.guardValue, count: even * ((columns + panel - 1) / panel * panel) + 1)
        table.bf16_pack(b, columns, 1, depth, columns, &packed)
        #expect(packed.last == Self.guardValue)

        let stride = columns + 3
        var c = [Float](repeating: -55, count: rows * stride)
        var narrow = [UInt16](repeating: Self.guardValue, count: rows * stride)
        bias.withUnsafeBufferPointer { bias in
          residual.withUnsafeBufferPointer { residual in
            var epilogue = fk_epilogue(
              bias: bias.baseAddress, activation: FK_RELU, residual: residual.baseAddress,
              ldr: columns + 2)
            table.bf16_gemm(
              a, even + 2, rows, depth, packed, &c, nil, stride, columns, &epilogue)
            table.bf16_gemm(
              a, even + 2, rows, depth, packed, nil, &narrow, stride, columns, &epilogue)
          }
        }
        for row in 0..<rows {
          for column in 0..<stride {
            let (got, half) = (c[row * stride + column], narrow[row * stride + column])
            guard column < columns else {
              #expect(got == -55)
              #expect(half == (column == columns && columns % 2 == 1 ? 0 : Self.guardValue))
              continue
            }
            var sum = Double(bias[column])
            var size = abs(sum)
            for p in 0..<depth {
              let product =
                Double(Self.value(Self.rounded(x[row * depth + p])))
                * Double(Self.value(Self.rounded(b[p * columns + column])))
              sum += product
              size += abs(product)
            }
            let wanted = max(sum, 0) + Double(residual[row * (columns + 2) + column])
            #expect(abs(Double(got) - wanted) <= 1e-6 * (size + 2))
            // Half a step of bfloat16, and what the sum itself may be off.
            #expect(abs(Double(Self.value(half)) - wanted) <= abs(wanted) / 256 + 1e-6 * (size + 2))
          }
        }
      }
    }
  }

  @Test(arguments: KernelSet.all, [3, 5])
  func transformedPatchesAreTheRoundedOnes(set: KernelSet, window: Int) {
    let (height, width) = (5, 7)
    let positions = (window + 3) * (window + 3)
    for channels in [1, 7, 16, 33] {
      let x = Noise.floats(height * width * channels, seed: 1)
      let stride = channels + 2
      for (top, left) in [(0, 0), (-1, -1), (3, 2), (4, 6), (-6, 0)] {
        var exact = [Float](repeating: -55, count: positions * stride)
        var v = [UInt16](repeating: Self.guardValue, count: positions * stride)
        set.table.winograd_input(
          Int32(window), x, height, width, channels, top, left, &exact, stride)
        set.table.bf16_winograd_input(
          Int32(window), x, height, width, channels, top, left, &v, stride)
        for index in v.indices {
          let isInside = index % stride < channels
          #expect(v[index] == (isInside ? Self.rounded(exact[index]) : Self.guardValue))
        }
      }
    }
  }

  @Test(arguments: KernelSet.all) func nothingIsDoneToNothing(set: KernelSet) {
    var c: [Float] = [7]
    var y: [UInt16] = [7]
    set.table.bf16_narrow(c, 1, 0, 1, &y, 2)
    set.table.bf16_gemm(y, 1, 0, 2, y, &c, nil, 1, 1, nil)
    set.table.bf16_gemm(y, 1, 1, 2, y, &c, nil, 1, 0, nil)
    #expect(c == [7] && y == [7])
  }
}
