import Testing

@testable import FlattenVision

@Suite struct SlidingWindowsTests {
  @Test(arguments: [
    (extent: 72, crop: 48, stride: 32, starts: [0, 24]),
    (extent: 98, crop: 48, stride: 32, starts: [0, 32, 50]),
    (extent: 48, crop: 48, stride: 32, starts: [0]),
    (extent: 40, crop: 48, stride: 32, starts: [0]),
    (extent: 112, crop: 48, stride: 32, starts: [0, 32, 64]),
  ])
  func windowsCoverAllAndStayInside(extent: Int, crop: Int, stride: Int, starts: [Int]) {
    let windows = SlidingWindows.starts(extent: extent, crop: crop, stride: stride)
    #expect(windows.map(\.start) == starts)
    #expect(windows.allSatisfy { $0.start + $0.size <= extent })
    #expect(windows.last.map { $0.start + $0.size } == extent)
  }
}
