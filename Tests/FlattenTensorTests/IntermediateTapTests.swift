import FlattenTensor
import Testing

@Suite struct IntermediateTapTests {
  @Test func onlyWhatIsWantedIsHandedOut() {
    let pass = ForwardPass(threadCount: 1)
    let map = Tensor([1, 2, 3, 1], [1, 2, 3, 4, 5, 6])
    var got: [String] = []
    // Nobody asks: the name is not even made.
    func unwanted() -> String {
      Issue.record("a name that nobody wants")
      return ""
    }
    let same = pass.handOut(map, as: unwanted())
    let isWanted = pass.wants(unwanted())
    #expect(same.elements == map.elements && !isWanted)

    pass.tap = IntermediateTap(["a", "c"]) { name, tensor, grid in
      got.append("\(name) \(tensor.shape) \(grid.height)x\(grid.width)")
    }
    #expect(pass.wants("a") && !pass.wants("b"))
    pass.handOut(map, as: "a")
    pass.handOut(map, as: "b")
    _ = pass.handOut(map.reshaped([1, 6, 1]), grid: (3, 2), as: "c")
    #expect(got == ["a [1, 2, 3, 1] 2x3", "c [1, 6, 1] 3x2"])
  }

  @Test func aDryRunHandsNothingOut() {
    let pass = ForwardPass(threads: ThreadPool(threads: 1), isDryRun: true)
    pass.tap = IntermediateTap(["a"]) { _, _, _ in Issue.record("unwritten elements") }
    #expect(!pass.wants("a"))
    pass.handOut(Tensor(uninitialized: [1, 1, 1, 1]), as: "a")
  }
}
